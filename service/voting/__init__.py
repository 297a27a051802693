"""The queue of votes: which share a forward pass, and the threads that compute them."""
