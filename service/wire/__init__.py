"""What goes over the wire: bodies and their limits, events, errors and their statuses."""
