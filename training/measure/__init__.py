"""How networks are measured, and how results are kept."""
