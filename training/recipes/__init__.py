"""Recipes: everything that decides what a training run gives, as data."""
