"""Settings of all tests."""

from hypothesis import settings

# The same examples every time, so that a test that passes once always passes; and no deadline,
# since speed is measured in benchmarks and never tested by time.
settings.register_profile("noisevote", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("noisevote")
