"""BentoML: two workers."""

from typing import Any

import bentoml
from voting import Voter


@bentoml.service(workers=2)
class Votes:
    """Casts the votes of one request."""

    def __init__(self) -> None:
        self.voter = Voter()

    @bentoml.api
    def predict(self, inputs: list[Any], votes: int) -> dict[str, Any]:
        """Vote."""
        return self.voter.vote(inputs[0], votes)
