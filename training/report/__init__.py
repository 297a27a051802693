"""The results page and its figures, made from the raw results alone."""
