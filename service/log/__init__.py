"""The log: what its lines look like, what is known of a request, and the line that tells it."""
