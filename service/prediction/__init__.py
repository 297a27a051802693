"""A prediction: from a request to arrays, votes and an answer, whole or as a stream."""
