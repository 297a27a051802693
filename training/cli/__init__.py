"""The command line ``noisevote-train``."""
