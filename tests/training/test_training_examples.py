"""The examples that train: a recipe on a small made-up data set, and networks of one's own."""

import re
from pathlib import Path

import pytest

from tests.programs import said_by
from tests.service.processes import server_running


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


def accuracies(said: str) -> list[dict[str, list[float]]]:
    """The tables of accuracy that were printed: by sigma, of one vote to most."""
    return [
        {
            sigma: [float(cell) for cell in cells.split("│") if cell.strip()]
            for sigma, cells in re.findall(r"│ ([\d.]+) +│((?: [\d.]+ +│)+)", table)
        }
        for table in said.split("accuracy in %, over sigma and votes")[1:]
    ]


@pytest.mark.slow
def test_own_network_comes_from_a_file_and_a_folder_to_the_votes_of_a_service(
    tmp_path: Path,
) -> None:
    said = said_by("examples/own_network.sh", str(tmp_path))  # runs "examples/own_network.py"
    (of_sklearn,) = re.findall(r"scikit-learn: ([\d.]+)%", said)
    (table,) = accuracies(said)
    assert table["0"] == pytest.approx([float(of_sklearn)] * len(table["0"]), abs=0.051)
    assert table["1"][0] < table["1"][-1] - 20
    assert "20 votes on digits, multiplicative noise, sigma 0.5, seed 7" in said
    settings = {
        "NOISEVOTE_CHECKPOINTS": str(tmp_path / "mine"), "NOISEVOTE_DEFAULT_CHECKPOINT": "digits",
        "NOISEVOTE_JOBS_DIR": str(tmp_path / "jobs"),
    }  # fmt: skip
    with server_running(settings) as server:
        served = said_by("examples/evaluate_folder.sh", str(tmp_path / "pictures"), server.url)
    of_votes = [float(found) for found in re.findall(r"^accuracy ([\d.]+) %", served, re.MULTILINE)]
    assert of_votes == pytest.approx([table["0.5"][i] for i in (0, 3, -1)], abs=5)


@pytest.mark.slow
def test_own_module_stands_more_noise_once_it_was_hardened(tmp_path: Path) -> None:
    said = said_by("examples/own_module.sh", str(tmp_path))  # runs "examples/own_module.py"
    before, after = accuracies(said)
    assert before["0"][0] > 95
    assert after["0"][0] > 95
    assert after["0.5"][0] > before["0.5"][0] + 15
