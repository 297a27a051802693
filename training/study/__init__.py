"""A study of a checkpoint: how much noise it can take, how many votes that takes, at what cost."""
