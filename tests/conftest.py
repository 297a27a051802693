"""Settings of all tests."""

import pytest
from hypothesis import settings

# The same examples every time, so that a test that passes once always passes; and no deadline,
# since speed is measured in benchmarks and never tested by time.
settings.register_profile("noisevote", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("noisevote")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: processes that share them end together."""
    items.sort(
        key=lambda item: not item.nodeid.startswith(("tests/training", "tests/service/page"))
    )
