"""The log: its form, and what is known and told of each request."""
