"""LitServe: two workers, its fast queue."""

import sys
from typing import Any

import litserve
from voting import Voter


class VoteApi(litserve.LitAPI):
    """Casts the votes of one request."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load the graph in the worker."""
        self.voter = Voter()

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Take the body as it is."""
        return request

    def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        """Vote."""
        return self.voter.vote(request["inputs"][0], request["votes"])

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Send the result as it is."""
        return output


if __name__ == "__main__":
    server = litserve.LitServer(VoteApi(), accelerator="cpu", workers_per_device=2, fast_queue=True)
    server.run(port=int(sys.argv[1]), generate_client_file=False, log_level="error")
