"""What it takes to run the service: metrics, traces, keys, rate limits, drift, new checkpoints."""
