"""Votes on devices: the runtime against NumPy, chips, placements, memory."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.device_specs import Level
from noisevote.models.devices.noise import device_noise
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.profile import Profile, profile_of
from noisevote.models.devices.runtime import DeviceRuntime
from noisevote.models.devices.runtimes import DeviceRuntimes
from noisevote.models.devices.setting import DeviceSetting, profiles_at
from noisevote.models.engines.loading import ONNX_RUNTIME_OF_MANY, load_session
from noisevote.models.errors import InputError
from noisevote.models.noise import NoiseKind, VoteKey, VoteNoise
from tests.models.devices.by_hand import ByHand
from tests.models.devices.support import NAME, noise_on, rows

TOLERANCE = 2e-3
"""Of the largest output: chips hold weights in half precision."""

EVERYTHING: dict[str, Any] = {
    "profile": 1,
    "name": "everything",
    "compensation": "global",
    "array": {"rows": 512},
    "cell": {"g_max_us": 25.0},
    "program": {"std_us": {"coefficients": [0.2, 1.9, -1.1]}},
    "drift": {"t0_s": 20.0, "nu": 0.05, "nu_std": {"coefficients": [0.01, -0.005]}},
    "read": {"a": 0.04, "b": 0.02, "c": 0.003, "w": 0.01},
    "column": {"gain": 1.05, "gain_std": 0.02, "offset": 0.01, "offset_std": 0.03},
    "dac": {"bits": 12},
    "adc": {"bits": 12, "bound": 12.0},
    "temperature": {"gain_per_k": 0.002, "offset_per_k": 0.001, "offset_std_per_k": 0.0005},
}


@pytest.mark.parametrize(
    "left_out",
    [(), ("dac", "adc"), ("dac", "adc", "read"), ("program", "drift", "compensation")],
    ids=["everything", "without converters", "columns alone", "without frozen cells"],
)
def test_outputs_are_those_of_the_same_device_by_hand(
    checkpoint: Checkpoint,
    runtime: DeviceRuntime,
    images: np.ndarray[Any, np.dtype[np.float32]],
    left_out: tuple[str, ...],
) -> None:
    profile = profile_of({key: value for key, value in EVERYTHING.items() if key not in left_out})
    by_hand = ByHand(checkpoint, profile, 3, 3600.0, 45.0)
    ages = {"age_s": 3600.0} if profile.depends_on_age else {}
    noise = noise_on(profile, checkpoint, chips=(3,), temperature_c=45.0, **ages)
    outputs = runtime.outputs(rows(images[:1], [noise] * 2))
    for vote, found in enumerate(outputs):
        expected = by_hand.outputs(images[0], VoteKey(7, 0, vote))
        assert np.abs(found - expected).max() < tolerance(profile) * np.abs(expected).max()


def tolerance(profile: Profile) -> float:
    """A level of 12 bits is 5e-4 of the range; one that lies between two may fall on either."""
    return 5 * TOLERANCE if profile.adc else TOLERANCE


def test_a_device_without_effects_is_the_noiseless_network_to_the_bit(
    checkpoint: Checkpoint, runtime: DeviceRuntime, images: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    empty = noise_on(profile_of({"profile": 1, "name": "empty"}), checkpoint)
    assert empty.is_silent
    silent = VoteNoise(NoiseKind.ADDITIVE, np.zeros(6))
    expected = checkpoint.runtime(NoiseKind.ADDITIVE).outputs(rows(images, [silent] * 6))
    assert np.array_equal(runtime.outputs(rows(images, [empty] * 6)), expected)


@given(sigma=st.floats(0.01, 3.0), reads=st.sampled_from([1, 4]))
@settings(max_examples=10, deadline=None)
def test_read_noise_alone_is_additive_noise_to_the_bit(
    checkpoint: Checkpoint,
    runtime: DeviceRuntime,
    images: np.ndarray[Any, np.dtype[np.float32]],
    sigma: float,
    reads: int,
) -> None:
    profile = profile_of(
        {"profile": 1, "name": "additive", "read": {"unit": "network", "a": sigma}}
    )
    repeats = dict.fromkeys(checkpoint.card.point_names, reads)
    on_device = noise_on(profile, checkpoint, repeats=repeats)
    plain = VoteNoise(NoiseKind.ADDITIVE, np.full(6, sigma) / np.sqrt(reads))
    expected = checkpoint.runtime(NoiseKind.ADDITIVE).outputs(rows(images, [plain] * 6))
    assert np.array_equal(runtime.outputs(rows(images, [on_device] * 6)), expected)


def test_votes_of_different_devices_chips_and_ages_in_one_tile_are_as_alone(
    checkpoint: Checkpoint, runtime: DeviceRuntime, images: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    devices = DeviceStore()
    noises = [
        noise_on(devices.find("pcm-hermes-2t"), checkpoint, chips=(1,)),
        noise_on(devices.find("pcm-hermes-2t"), checkpoint, chips=(1,), age_s=86_400.0),
        noise_on(devices.find("pcm-hermes-2t"), checkpoint, chips=(2,)),
        noise_on(devices.find("reram-wan"), checkpoint, chips=(1,)),
        noise_on(devices.find("brainscales-2"), checkpoint),
        noise_on(devices.find("pcm-nandakumar"), checkpoint, chips=(4, 5, 6)),
    ] * 2
    mixed = rows(images, noises)
    together = runtime.outputs(mixed)
    alone = [runtime.outputs(mixed.chosen([row]))[0] for row in range(len(noises))]
    assert np.array_equal(together, np.stack(alone))
    assert len({row.tobytes() for row in together}) == len(noises)


def test_a_chip_is_the_same_for_all_seeds_and_in_all_processes(
    checkpoint: Checkpoint, runtime: DeviceRuntime, images: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    code = (
        "import numpy as np\n"
        "from noisevote.models.checkpoint import SHIPPED, CheckpointStore\n"
        "from noisevote.models.devices.presets import DeviceStore\n"
        "from noisevote.models.devices.runtimes import DeviceRuntimes\n"
        "from tests.models.devices.support import NAME, noise_on, rows\n"
        "of = CheckpointStore(SHIPPED).find(NAME)\n"
        "noise = noise_on(DeviceStore().find('pcm-joshi'), of, chips=(9,))\n"
        "images = np.random.default_rng(5).random((1, 1, 28, 28), np.float32)\n"
        "print(DeviceRuntimes().of(of).outputs(rows(images, [noise])).tobytes().hex())\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    noise = noise_on(DeviceStore().find("pcm-joshi"), checkpoint, chips=(9,))
    assert noise.is_silent  # it has errors of writing alone
    for first in (0, 3):  # other votes, other draws
        found = runtime.outputs(rows(images[:1], [noise], first))
        assert found.tobytes().hex() == ran.stdout.strip()


@pytest.mark.parametrize("level", ["column", "weight", "full"])
def test_graphs_of_chips_are_those_of_the_engine_that_plans_all_to_the_bit(
    checkpoint: Checkpoint, level: Level
) -> None:
    spec = checkpoint.card.devices
    assert spec is not None
    graph = checkpoint.folder / spec.graphs[level]
    one, of_many = load_session(graph), load_session(graph, engine=ONNX_RUNTIME_OF_MANY)
    generator = np.random.default_rng(1)
    feed = {
        name: generator.uniform(0.5, 1, [8 if axis is None else axis for axis in tensor.shape])
        .astype(np.int64 if tensor.type == "int64" else np.float32)
        for name, tensor in one.inputs.items()
    }  # fmt: skip
    output = checkpoint.card.output
    assert np.array_equal(one.run(output, feed), of_many.run(output, feed))


def test_chips_take_turns_in_an_order_that_hangs_on_seed_and_input_alone(
    checkpoint: Checkpoint,
) -> None:
    profile = DeviceStore().find("pcm-joshi")
    noise = noise_on(profile, checkpoint, chips=(3, 4, 5), votes=20)
    turns = [noise.chip_index(VoteKey(1, 0, vote)) for vote in range(20)]
    assert sorted(map(turns.count, range(3))) == [6, 7, 7]
    again = noise_on(profile, checkpoint, chips=(8, 9, 1), votes=20)
    assert turns == [again.chip_index(VoteKey(1, 0, vote)) for vote in range(20)]
    others = [noise.chip_index(VoteKey(2, 0, vote)) for vote in range(20)]
    assert others != turns


def test_a_random_order_of_chips_puts_each_first_equally_often(checkpoint: Checkpoint) -> None:
    noise = noise_on(DeviceStore().find("pcm-joshi"), checkpoint, chips=(0, 1, 2, 3), votes=8)
    first = np.bincount([noise.chip_index(VoteKey(seed, 0, 0)) for seed in range(4000)])
    assert np.abs(first - 1000).max() < 4.5 * np.sqrt(4000 * 3 / 16)  # fails with 3e-5 at most


def test_chips_beyond_the_bound_on_memory_are_made_anew_with_the_same_votes(
    checkpoint: Checkpoint, images: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    profile = DeviceStore().find("pcm-joshi")
    runtimes = DeviceRuntimes(most_bytes=12 * 2**20)
    runtime = runtimes.of(checkpoint)
    noises = [noise_on(profile, checkpoint, chips=(chip,)) for chip in range(10)]
    found = [runtime.outputs(rows(images[:1], [noise])) for noise in noises]
    assert runtimes.held.bytes <= runtimes.held.most_bytes
    assert 1 < len(runtimes.held) < len(noises)
    assert np.array_equal(runtime.outputs(rows(images[:1], [noises[0]])), found[0])
    assert runtimes.held.made == len(noises) + 1


def test_points_that_a_map_leaves_out_are_digital(
    checkpoint: Checkpoint, runtime: DeviceRuntime, images: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    profile = DeviceStore().find("pcm-nandakumar")
    at = profiles_at({"fc2": profile}, checkpoint.card)
    assert [name for name, of in at.items() if of is not None] == ["fc2"]
    noise = device_noise(DeviceSetting(at), checkpoint.card)
    on_fc2 = runtime.outputs(rows(images[:1], [noise] * 8))
    everywhere = runtime.outputs(rows(images[:1], [noise_on(profile, checkpoint)] * 8))
    clean = checkpoint.runtime(NoiseKind.ADDITIVE).outputs(
        rows(images[:1], [VoteNoise(NoiseKind.ADDITIVE, np.zeros(6))])
    )
    assert np.abs(on_fc2 - clean).mean() < np.abs(everywhere - clean).mean()


def test_a_pattern_that_fits_no_point_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(InputError, match=r"'conv9' fits no noise point.*conv1"):
        profiles_at({"conv9": None}, checkpoint.card)


def test_a_checkpoint_measured_anew_for_devices_does_not_vote_on_chips_of_the_old_one(
    checkpoint: Checkpoint, images: np.ndarray[Any, np.dtype[np.float32]], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(checkpoint.folder, tmp_path / NAME))
    card = json.loads((folder / "card.json").read_text())
    for array in card["devices"]["arrays"].values():
        array["input_range"] /= 2
    (folder / "card.json").write_text(json.dumps(card))
    anew = Checkpoint(folder)
    assert anew.fingerprint == checkpoint.fingerprint
    runtimes, profile = DeviceRuntimes(), DeviceStore().find("ideal-8-8")
    found = [
        runtimes.of(of).outputs(rows(images[:1], [noise_on(profile, of)]))
        for of in (checkpoint, anew)
    ]
    assert not np.array_equal(found[0], found[1])
