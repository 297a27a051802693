"""Offline work: hardening recipes, training, evaluation and export."""
