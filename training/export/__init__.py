"""Trained networks become checkpoints that serve without torch."""
