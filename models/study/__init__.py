"""Studies: recorded votes of a checkpoint, and what they say of noise, votes and costs."""
