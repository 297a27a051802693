"""Compiled kernels for the training step of DenseNets."""
