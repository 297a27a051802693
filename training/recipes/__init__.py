"""Recipes: what they hold, those that are registered, and how one is varied."""
