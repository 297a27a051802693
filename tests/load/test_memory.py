"""The short form of ``python -m tests.load.memory``."""

import pytest

from tests.load.memory import ALLOWED_GROWTH, SERVICE, course_of
from tests.load.servers import running


@pytest.mark.slow
def test_memory_does_not_grow_with_requests() -> None:
    with running(SERVICE) as server:
        course = course_of(server, warm_up=1000, requests=1500, every=500)
    assert max(course.growth, course.last_over_first) < ALLOWED_GROWTH
    kinds = {name.rsplit(": ", 1)[0] for name in course.statuses}
    assert len(kinds) == 10
    assert course.statuses["stream: 200"] == 150
    assert not [name for name in course.statuses if name.endswith((": 500", ": -1"))]
