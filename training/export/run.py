"""A finished run becomes a checkpoint: exported, compared with torch, then put in its place."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from noisevote.models.card import Training
from noisevote.models.checkpoint import Checkpoint
from noisevote.models.checkpoint_folders import CARD_FILE
from noisevote.models.data.dataset import Examples, LoadedDataset, as_inputs
from noisevote.models.errors import ExportError
from noisevote.models.networks.trained import load_network
from noisevote.models.noise import NoiseKind
from noisevote.training.export.card_file import held_card, put_in_place, write_card
from noisevote.training.export.checkpoint import check_parity, export_checkpoint
from noisevote.training.fit.data import split
from noisevote.training.fit.sources import FinishedRun
from noisevote.training.fit.state import OLDER_DEVICES
from noisevote.training.recipes.vary import train_command

PARITY_IMAGES = 1000
DEFAULT_SIGMA = 0.5
"""Of the comparison with torch, for a network that was trained without noise."""

MEASURED = ("evaluations", "thresholds", "agreements", "on_devices")
"""Fields of the card that hold what was measured of the weights."""


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What a finished run becomes.

    Attributes:
        folder: of the checkpoint; its name is the checkpoint's.
        command: that trained it, for the card; by default the one that its recipe tells.
        parity_images: held-back images on which ONNX Runtime must give torch's outputs.
        replaces: whether a checkpoint with other weights may be overwritten.
    """

    folder: Path
    command: str | None = None
    parity_images: int = PARITY_IMAGES
    replaces: bool = False


def export_run(run: FinishedRun, dataset: LoadedDataset, plan: ExportPlan) -> list[str]:
    """Export a finished run, on the CPU wherever it was trained.

    What was measured of the same weights before stays on the card.

    Args:
        run: to export.
        dataset: that it learned.
        plan: where to, and how.

    Returns:
        How near ONNX Runtime is to torch, a line for each kind of noise.

    Raises:
        ExportError: the network cannot be exported, ONNX Runtime gives other outputs, or there is
            a checkpoint with other weights already.
        CheckpointError: the card of the checkpoint that is there cannot be read.
    """
    recipe, state = run.recipe, run.state
    training = Training(
        recipe=recipe.as_dict(),
        command=plan.command or train_command(recipe),
        data_digests=dataset.digests,
        data_is_official=dataset.is_official,
        data_licence=dataset.about.licence,
        torch_version=torch.__version__,
        sources=state.get("sources", {}),
        accelerators=tuple(state.get("devices", OLDER_DEVICES)),
    )
    plan.folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, where no store of checkpoints looks.
    with TemporaryDirectory(dir=plan.folder.parent, prefix=".export-") as beside:
        made = Path(beside) / plan.folder.name
        export_checkpoint(run.network(), recipe, plan.folder.name, training, made)
        _, held_back = split(dataset.train, recipe)
        compared = list(parities(Checkpoint(made), held_back.first(plan.parity_images)))
        plan.folder.mkdir(exist_ok=True)
        with held_card(plan.folder):
            keep_measured(made, plan)
            put_in_place(made, plan.folder)
    return compared


def parities(checkpoint: Checkpoint, images: Examples) -> Iterator[str]:
    """Compare torch and ONNX Runtime under each kind of noise; yield how near they are.

    Raises:
        ExportError: they disagree.
    """
    card = checkpoint.card
    network = load_network(checkpoint.folder, card)
    sigma = card.noise.largest_sigma or DEFAULT_SIGMA
    for kind in NoiseKind:
        runtime = checkpoint.runtime(kind)
        parity = check_parity(network, runtime, card, as_inputs(images.inputs), sigma)
        text = (
            f"{kind}: {parity.same_votes} of {parity.images} votes equal, outputs within "
            f"{parity.largest_difference:.1e}"
        )
        if not parity.holds:
            raise ExportError(f"torch and ONNX Runtime disagree: {text}")
        yield text


def keep_measured(made: Path, plan: ExportPlan) -> None:
    """Take over what the card in the plan's folder says of the same weights.

    Raises:
        ExportError: its weights are others, and may not be replaced.
        CheckpointError: it cannot be read.
    """
    if not (plan.folder / CARD_FILE).is_file():
        return
    earlier, new = Checkpoint(plan.folder), Checkpoint(made)
    measured = {name: getattr(earlier.card, name) for name in MEASURED}
    if earlier.fingerprint == new.fingerprint:
        write_card(new.card.model_copy(update=measured), made)
    elif not plan.replaces:
        lost = ", ".join(f"{name} ({len(entries)})" for name, entries in measured.items())
        raise ExportError(
            f"{plan.folder} holds a checkpoint with other weights; what was measured of them "
            f"would be lost: {lost}. Export to another place with --checkpoints or under "
            "another --name, or give --replace"
        )
