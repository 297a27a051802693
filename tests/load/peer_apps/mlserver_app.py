"""MLServer: a custom runtime behind the Open Inference Protocol, two inference workers."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from voting import Voter


class VoteModel(MLModel):
    """Casts the votes of one request."""

    async def load(self) -> bool:
        """Load the graph in the worker."""
        self.voter = Voter()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Vote."""
        image = NumpyCodec.decode_input(payload.inputs[0])
        votes = int(getattr(payload.parameters, "votes", 20))
        result = self.voter.vote(image, votes)
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                NumpyCodec.encode_output("mode", np.array([result["mode"]])),
                NumpyCodec.encode_output("vote_counts", np.array(result["vote_counts"])),
            ],
        )
