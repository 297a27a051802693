"""Networks and measurements on analog devices: graphs, ranges, calibration."""
