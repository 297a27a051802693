"""The Open Inference Protocol V2: its bodies, and how they become predictions."""
