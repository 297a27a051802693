"""The HTTP service around the voting core."""
