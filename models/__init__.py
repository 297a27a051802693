"""The shared core: noise, votes, runtimes, networks, checkpoints. Nothing here knows HTTP."""

import os

# ONNX Runtime's official builds keep a file of usage events and upload them; they ask this
# variable once, when they are imported, so it must be set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
