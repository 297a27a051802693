"""One finished study for all tests that only read it."""

from pathlib import Path

import pytest

from noisevote.models.checkpoint import Checkpoint
from tests.training.study.support import arguments, classifier
from tests.training.support import run


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return classifier(tmp_path_factory.mktemp("theirs"))


@pytest.fixture(scope="session")
def finished(theirs: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that has come to its end."""
    folder = tmp_path_factory.mktemp("studies") / "theirs"
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, *arguments(theirs, folder, "--processes", "1")) == 0
    return folder
