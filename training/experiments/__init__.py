"""The experiments of the papers, and those beyond: each writes raw results that the page reads."""
