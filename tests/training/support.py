"""Runs the command line of training as a shell does."""

from pathlib import Path

import pytest

from noisevote.training.cli import main as cli
from noisevote.training.measure.results import Table, read_table


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command as a shell does and return its exit code."""
    monkeypatch.setattr("sys.argv", ["noisevote-train", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    code = caught.value.code
    assert isinstance(code, int)
    return code


class Smoke:
    """Runs experiments as a shell does, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> None:
        places = ["--runs", str(self.folder / "runs"), "--results", str(self.folder / "results")]
        command = ["noisevote-train", "experiment", "--smoke", "--threads", "1", *places]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", [*command, *arguments])
            with pytest.raises(SystemExit) as caught:
                cli.main()
        assert caught.value.code == 0

    def table(self, path: str) -> Table:
        return read_table(self.folder / "results" / f"{path}.csv")
