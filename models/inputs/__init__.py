"""From pictures and pen strokes to the arrays that networks take."""
