"""Calibration: from measurements of a chip to a device profile, and the other way round."""
