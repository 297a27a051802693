"""The shipped checkpoints, loaded once."""

import pytest

from noisevote.models.checkpoint import SHIPPED, Checkpoint, CheckpointStore


@pytest.fixture(scope="session")
def store() -> CheckpointStore:
    return CheckpointStore(SHIPPED)


@pytest.fixture(params=[path.name for path in sorted(SHIPPED.iterdir()) if path.is_dir()])
def shipped(request: pytest.FixtureRequest, store: CheckpointStore) -> Checkpoint:
    return store.find(request.param)
