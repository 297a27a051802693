"""The same votes in three well-known model servers, each as its own documentation shows."""
