"""Checkpoints are made ready for analog devices: device graphs, column scales, ranges."""
