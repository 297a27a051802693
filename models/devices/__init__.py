"""Devices: analog hardware as data, and what it does to the votes of a network."""
