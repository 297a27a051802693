"""Which arithmetic a network gets: by what is asked for, the machine, the card, and the noise."""

from pathlib import Path

import numpy as np
import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.devices.runtimes import arithmetic_for
from noisevote.models.draws.numbers import to_bfloat16
from noisevote.models.engines import preference as module
from noisevote.models.engines.arithmetic import (
    ARITHMETICS,
    REFERENCE,
    Arithmetic,
    Engine,
    Precision,
    arithmetic_in,
    without_mark,
)
from noisevote.models.engines.preference import Preference, cpu_kind
from noisevote.models.engines.rounding import LEAST_RELATIVE_SIGMA, hides_rounding
from noisevote.models.errors import MissingExtraError
from noisevote.models.noise import Noise, NoiseKind, noise_table

FLOAT32 = Arithmetic(Engine.OPENVINO, Precision.FLOAT32)
BFLOAT16 = Arithmetic(Engine.OPENVINO, Precision.BFLOAT16)
TIMES = {
    "amx_bf16": {"openvino-bfloat16": 0.4, "openvino-float32": 0.9, "onnxruntime-float32": 1.0},
    "avx2": {"openvino-float32": 1.2},
    "avx512_bf16": {"openvino-float32": 0.95, "onnxruntime-float32": 1.0},
}


def on(monkeypatch: pytest.MonkeyPatch, kind: str | None, has_openvino: bool = True) -> None:
    """Pretend that this machine has another processor, or other packages."""
    monkeypatch.setattr(module, "cpu_kind", lambda: kind)
    monkeypatch.setattr(module, "has_openvino", lambda: has_openvino)


@pytest.mark.parametrize(
    ("kind", "engine", "precision", "expected"),
    [
        ("amx_bf16", "onnxruntime", "float32", REFERENCE),
        ("amx_bf16", "onnxruntime", "auto", REFERENCE),
        ("amx_bf16", "openvino", "float32", FLOAT32),
        ("amx_bf16", "openvino", "bfloat16", BFLOAT16),
        ("amx_bf16", "openvino", "auto", BFLOAT16),
        ("avx2", "openvino", "auto", FLOAT32),
        ("amx_bf16", "auto", "auto", BFLOAT16),
        ("amx_bf16", "auto", "float32", FLOAT32),
        ("avx512_bf16", "auto", "auto", REFERENCE),
        ("avx2", "auto", "auto", REFERENCE),
        ("avx512f", "auto", "auto", REFERENCE),
        (None, "auto", "auto", REFERENCE),
        ("avx2", "auto", "bfloat16", REFERENCE),
    ],
)
def test_a_network_gets_what_is_asked_for_or_what_its_card_says_is_fastest(
    monkeypatch: pytest.MonkeyPatch,
    kind: str | None,
    engine: module.EngineChoice,
    precision: module.PrecisionChoice,
    expected: Arithmetic,
) -> None:
    on(monkeypatch, kind)
    assert Preference(engine, precision).arithmetic(TIMES) == expected


def test_auto_takes_the_reference_where_no_other_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on(monkeypatch, "amx_bf16", has_openvino=False)
    assert Preference("auto", "auto").arithmetic(TIMES) == REFERENCE


@pytest.mark.parametrize(
    ("kind", "engine", "precision", "has_openvino", "said"),
    [
        ("amx_bf16", "openvino", "float32", False, "not installed"),
        ("avx2", "openvino", "bfloat16", True, "no instructions"),
        ("amx_bf16", "onnxruntime", "bfloat16", True, "set engine"),
    ],
)
def test_what_the_machine_does_not_have_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    engine: module.EngineChoice,
    precision: module.PrecisionChoice,
    has_openvino: bool,
    said: str,
) -> None:
    on(monkeypatch, kind, has_openvino)
    with pytest.raises(MissingExtraError, match=said):
        Preference(engine, precision).arithmetic({})


def test_the_kind_of_a_processor_is_the_best_that_it_has(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    for flags, expected in [
        ("fpu avx2 avx512f avx512_bf16 amx_bf16", "amx_bf16"),
        ("fpu avx2 avx512f avx512_bf16", "avx512_bf16"),
        ("avx2 avx512f", "avx512f"),
        ("avx2", "avx2"),
        ("sse4_2", None),
    ]:
        info.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
        cpu_kind.cache_clear()
        assert cpu_kind(info) == expected
    cpu_kind.cache_clear()
    assert cpu_kind(tmp_path / "nothing") is None
    cpu_kind.cache_clear()


def test_a_fingerprint_names_every_arithmetic_but_the_reference() -> None:
    plain = "sfc64-icdf16-1:13242b9779c52a84"
    marked = {plain + one.mark for one in ARITHMETICS}
    assert plain in marked
    assert len(marked) == len(ARITHMETICS)
    for one in ARITHMETICS:
        assert arithmetic_in(plain + one.mark) == one
        assert without_mark(plain + one.mark) == plain


@pytest.fixture
def preferring(monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    on(monkeypatch, "amx_bf16")
    return Checkpoint(SHIPPED / "mnist_cnn-mult-1.0", Preference("openvino", "bfloat16"))


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        (Noise(NoiseKind.MULTIPLICATIVE, 1.0), BFLOAT16),
        (Noise(NoiseKind.MULTIPLICATIVE, LEAST_RELATIVE_SIGMA), BFLOAT16),
        (Noise(NoiseKind.MULTIPLICATIVE, 0.0999), REFERENCE),
        (Noise(NoiseKind.MULTIPLICATIVE, 1.0, {"fc1": 200}), REFERENCE),
        (Noise(NoiseKind.MULTIPLICATIVE, {"fc1": 0.5}), BFLOAT16),
        (Noise(NoiseKind.MULTIPLICATIVE, {"fc1": 0.5, "fc2": 0.01}), REFERENCE),
        (Noise(NoiseKind.MULTIPLICATIVE, 0.0), REFERENCE),
    ],
)
def test_bfloat16_serves_noise_beside_which_nobody_sees_its_rounding(
    preferring: Checkpoint, noise: Noise, expected: Arithmetic
) -> None:
    at_points = noise.at(preferring.card.point_names)
    assert arithmetic_for(preferring, at_points, None) == expected
    assert arithmetic_for(preferring, at_points, 3) == REFERENCE  # a margin was measured in it


def test_additive_noise_is_compared_with_the_signal_of_each_point(preferring: Checkpoint) -> None:
    card = preferring.card
    signal = [card.rms_at(point) for point in card.noise_points]
    assert None not in signal
    largest = max(of for of in signal if of is not None)
    names = card.point_names
    for sigma, expected in [(0.11 * largest, True), (0.09 * largest, False)]:
        assert hides_rounding(Noise(NoiseKind.ADDITIVE, sigma).at(names), card) is expected
    unknown = card.model_copy(
        update={
            "devices": None,
            "noise_points": [of.model_copy(update={"rms": None}) for of in card.noise_points],
        }
    )
    assert not hides_rounding(Noise(NoiseKind.ADDITIVE, 100.0).at(names), unknown)


def test_any_noise_is_large_beside_a_signal_of_nothing(preferring: Checkpoint) -> None:
    card = preferring.card
    assert card.devices is not None
    arrays = {
        name: array.model_copy(update={"rms": 0.0}) for name, array in card.devices.arrays.items()
    }
    dead = card.model_copy(
        update={
            "devices": card.devices.model_copy(update={"arrays": arrays}),
            "noise_points": [of.model_copy(update={"rms": None}) for of in card.noise_points],
        }
    )
    assert hides_rounding(Noise(NoiseKind.ADDITIVE, 0.01).at(card.point_names), dead)
    assert not hides_rounding(Noise(NoiseKind.ADDITIVE, 0.0).at(card.point_names), dead)


def test_float32_serves_all_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "avx2")
    checkpoint = Checkpoint(SHIPPED / "mnist_cnn-mult-1.0", Preference("openvino", "auto"))
    names = checkpoint.card.point_names
    for sigma in (0.0, 0.01, 1.0):
        noise = Noise(NoiseKind.MULTIPLICATIVE, sigma).at(names)
        assert arithmetic_for(checkpoint, noise, None) == FLOAT32


def test_rounding_hardly_widens_the_least_noise_that_bfloat16_serves() -> None:
    table = noise_table(NoiseKind.MULTIPLICATIVE, LEAST_RELATIVE_SIGMA)
    rounded = (to_bfloat16(table).astype(np.uint32) << 16).view(np.float32)
    factors, short = table.astype(np.float64), rounded.astype(np.float64)
    assert 1 < short.std() / factors.std() < 1.0002
    assert abs(short.mean() - factors.mean()) < 1e-4 * LEAST_RELATIVE_SIGMA
