"""Commands of ``noisevote`` that have a file of their own; the others are in ``service/cli.py``."""
