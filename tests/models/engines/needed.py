"""Tests that need OpenVINO are left out where it is not installed."""

import pytest


def need_openvino() -> None:
    """Skip unless it is installed.

    It is imported as the engine does: by itself, it tells its makers of every import.
    """
    pytest.importorskip("noisevote.models.engines.openvino_engine")
