"""Networks that others made: a zoo of them, built by the tests."""
