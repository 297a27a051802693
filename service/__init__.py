"""The HTTP service around the voting core; ``docs/architecture.md`` follows a request."""
