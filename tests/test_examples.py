"""The programs in ``examples/`` do what they say, against a real server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.drawing import draw_digit
from tests.programs import ROOT, said_by
from tests.service.processes import server_running
from tests.service.support import array

PICTURE = "tests/pictures/three.png"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    jobs = str(tmp_path_factory.mktemp("jobs"))
    with server_running({"NOISEVOTE_JOBS_DIR": jobs}) as server:
        yield server.url


def test_every_example_is_run_by_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*examples.py"))
    programs = [path.name for path in (ROOT / "examples").iterdir() if path.is_file()]
    assert programs
    assert [name for name in programs if f'"examples/{name}"' not in tests] == []


def test_predict_prints_the_votes_that_the_readme_shows(url: str) -> None:
    said = said_by(sys.executable, "examples/predict.py", PICTURE, url)
    assert said == "3: [1, 0, 1, 14, 2, 1, 0, 1, 0, 0], 70% agree\n"


def test_stream_leaves_once_the_votes_are_sure(url: str) -> None:
    *events, last = said_by(sys.executable, "examples/stream.py", PICTURE, url).splitlines()
    assert last == "sure; the votes left are not computed"
    assert 0 < int(events[-1].split()[0]) < 200
    assert "votes: 3, its chance in" in events[-1]


def test_noise_and_votes_shows_what_votes_cost(url: str) -> None:
    head, *rows = said_by(sys.executable, "examples/noise_and_votes.py", PICTURE, url).splitlines()
    assert head.split()[:2] == ["sigma", "votes"]
    assert [row.split()[:2] for row in rows] == [
        [sigma, votes] for sigma in ("0.4", "0.7", "1.0") for votes in ("1", "5", "20")
    ]
    energies = [float(row.split()[5]) for row in rows[-3:]]
    assert energies == pytest.approx([energies[0] * votes for votes in (1, 5, 20)])


def test_evaluate_folder_measures_labelled_pictures(url: str, tmp_path: Path) -> None:
    for digit in (1, 3):
        (tmp_path / str(digit)).mkdir()
        draw_digit(digit).save(tmp_path / str(digit) / "drawn.png")
    said = said_by("examples/evaluate_folder.sh", str(tmp_path), url)
    assert said.count("accuracy") >= 3


def test_a_program_without_its_argument_says_how_it_is_used() -> None:
    shells = ("evaluate_folder.sh", "harden.sh", "own_module.sh", "own_network.sh")
    for program in ("attack_job.py", *shells):
        command = ([sys.executable] if program.endswith(".py") else []) + [f"examples/{program}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert "examples/" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_attack_job_comes_to_a_verdict(url: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    digits = np.array([array(digit) for digit in (1, 3)])
    np.savez(tmp_path / "samples.npz", inputs=digits, labels=np.array([1, 3]))
    said = said_by(sys.executable, "examples/attack_job.py", str(tmp_path / "samples.npz"), url)
    assert "done:" in said
    assert "There is no evidence that the noise helps." in said
    assert "every reply under noise abstains" not in said
