"""The HTTP service around the voting core; ``service/README.md`` says which file does what."""
