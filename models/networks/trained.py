"""The trained networks: a checkpoint's weights in torch again."""

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from noisevote.models.card import Card
from noisevote.models.errors import CheckpointError
from noisevote.models.networks.quantisers import Quantisation, bake_weights
from noisevote.models.networks.registry import build_network


def load_network(folder: Path, card: Card) -> nn.Module:
    """Build a checkpoint's network in torch, in evaluation mode.

    Raises:
        CheckpointError: the weights are not those of the network on the card.
    """
    recipe = card.recipe
    try:
        quantisation = recipe.get("quantisation")
        network = build_network(
            card.network,
            card.noise.kind,
            recipe["options"],
            None if quantisation is None else Quantisation(**quantisation),
        )
    except Exception as error:
        raise CheckpointError(
            f"the card of checkpoint {card.name} describes no network: {error!r}"
        ) from error
    state = {name: tensor.float() for name, tensor in load_file(folder / card.weights).items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    lacking = [key for key in missing if not key.endswith("num_batches_tracked")]
    if lacking or unexpected:
        raise CheckpointError(
            f"the weights of checkpoint {card.name} lack {lacking} and have unknown {unexpected}"
        )
    bake_weights(network)
    return network.eval()
