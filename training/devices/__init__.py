"""Devices beside training: the graphs of a network on a device, and profiles from measurements."""
