"""Engines: what runs a graph, and in which precision."""
