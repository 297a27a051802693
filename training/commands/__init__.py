"""The commands of ``noisevote-train`` that measure and report."""
