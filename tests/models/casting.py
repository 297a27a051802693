"""All votes of a request, cast in the plainest way: what any backend must agree with."""

from models.runtime import Runtime
from models.tiles import rows_of, votes_of
from models.voting import Poll, VoteRequest, VoteResult


def vote(runtime: Runtime, request: VoteRequest, classes: int, tile: int) -> list[VoteResult]:
    """Cast all votes of a request one tile after another and return the answers."""
    poll = Poll(request, classes)
    while keys := poll.take(tile):
        outputs = runtime.outputs(rows_of([(request, keys)]))
        for key, fell_on in zip(keys, votes_of(outputs).tolist(), strict=True):
            poll.cast(key, fell_on)
    return poll.results()
