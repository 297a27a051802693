"""The processes that serve: bounds on connections, the end, what siblings share, how many."""
