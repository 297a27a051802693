"""Engines measured: what ``auto`` follows on cards, and votes set against the reference's."""

import shutil
from pathlib import Path

import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.engines.arithmetic import REFERENCE, Precision
from noisevote.models.engines.preference import WORTH_IT, Preference, arithmetics_here, cpu_kind
from noisevote.models.noise import Noise, NoiseKind
from noisevote.training.experiments.engines import serves
from tests.models.engines.needed import need_openvino
from tests.training.importing.run_command import command

NAME = "mnist_cnn-clean"

of_known_kind = pytest.mark.skipif(cpu_kind() is None, reason="this processor is of no known kind")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SHIPPED / NAME, tmp_path / NAME)
    return tmp_path


@of_known_kind
def test_times_of_all_engines_here_are_written_for_this_kind_of_processor(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Checkpoint(folder / NAME)
    assert (
        command("time-engines", NAME, "--rounds", "3", "--card", "--checkpoints", str(folder)) == 0
    )
    after = Checkpoint(folder / NAME, Preference("auto", "auto"))
    assert after.fingerprint == before.fingerprint
    times = (after.card.engine_times or {})[cpu_kind() or ""]
    assert set(times) == {str(one) for one in arithmetics_here()}
    assert times[str(REFERENCE)] == 1.0
    fastest = min(times, key=times.__getitem__)
    worth_it = times[fastest] <= WORTH_IT
    assert str(after.preferred) == (fastest if worth_it else str(REFERENCE))
    changed = before.card.model_copy(update={"engine_times": after.card.engine_times})
    assert after.card == changed
    assert NAME in capsys.readouterr().out


@of_known_kind
def test_a_card_is_left_alone_unless_it_is_to_be_written(folder: Path) -> None:
    before = (folder / NAME / "card.json").read_bytes()
    assert command("time-engines", "--all", "--rounds", "3", "--checkpoints", str(folder)) == 0
    assert (folder / NAME / "card.json").read_bytes() == before


def test_names_or_all_are_needed(folder: Path) -> None:
    assert command("time-engines", "--checkpoints", str(folder)) == 1
    assert command("time-engines", NAME, "--all", "--checkpoints", str(folder)) == 1


def test_votes_that_the_reference_casts_are_not_set_against_themselves() -> None:
    need_openvino()
    # Its noise is small beside the signal of its last layer.
    checkpoint = Checkpoint(SHIPPED / "mnist_cnn-add-1.0")
    noise = Noise(NoiseKind.ADDITIVE, 0.5)
    for one in arithmetics_here():
        assert serves(checkpoint, one, noise) is (one.precision is Precision.FLOAT32)
