"""The training: data, steps, states and runs."""
