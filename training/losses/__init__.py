"""What a step of the training minimises: losses, noise and adversaries."""
