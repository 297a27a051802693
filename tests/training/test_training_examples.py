"""The example that trains, on a small made-up data set."""

from pathlib import Path

import pytest

from tests.programs import said_by


@pytest.mark.slow
def test_harden_makes_a_checkpoint_and_measures_it(data: Path, tmp_path: Path) -> None:
    said = said_by(
        *("examples/harden.sh", str(tmp_path), "--set", "options.fc_units=8"),
        *("--set", "schedule.batch_size=16", "--epochs", "1", "--validation-images", "64"),
        *("--threads", "1"),
        DATA=f"--data-dir {data} --allow-unknown-data",
    )
    assert (tmp_path / "checkpoints" / "mnist_cnn-mult-grid" / "card.json").is_file()
    assert "│" in said
