"""Networks that others made become checkpoints: looked at, measured, compared with the original.

``read`` opens a graph and says what it takes and gives, ``layers`` finds its products, ``measure``
what flows through them, ``place`` tries where inputs are repeated by vote, ``take`` writes the
checkpoint. It needs onnx and no torch; only a network that is a callable needs it (``callables``).
"""
