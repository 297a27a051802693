"""Settings of all tests."""

from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples every time, so that a test that passes once always passes; and no deadline,
# since speed is measured in benchmarks and never tested by time.
settings.register_profile("noisevote", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("noisevote")


def pytest_configure(config: pytest.Config) -> None:
    """Have ART write its settings once, before processes that share a new home do it at a time.

    Of two that begin together one would find a file where it has just looked in vain, and fail.
    """
    is_first = not hasattr(config, "workerinput")
    if is_first and not (Path.home() / ".art" / "config.json").exists():
        with suppress(ImportError):
            import_module("art.config")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: processes that share them end together."""
    items.sort(
        key=lambda item: not item.nodeid.startswith(("tests/training", "tests/service/page"))
    )
