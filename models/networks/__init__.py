"""The networks in torch, with the points where analog noise meets a signal."""
