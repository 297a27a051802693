"""Shared core: networks, noise, votes, runtimes and the checkpoints that are served."""
