"""The command ``noisevote``: serve, predict, list checkpoints and devices.

Exit codes: 0 done; 1 it could not be done, the last line says why; 2 wrong usage; 130 interrupted.
"""

import asyncio
import base64
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from noisevote.models.checkpoint import CheckpointStore
from noisevote.models.errors import InputError, NoisevoteError, PictureError
from noisevote.models.noise import sigma_text
from noisevote.models.stopping import StopRule
from noisevote.models.version import Version
from noisevote.service.commands import voting
from noisevote.service.commands.attack import attack_command
from noisevote.service.commands.devices import devices_command
from noisevote.service.commands.evaluate import evaluate_command
from noisevote.service.commands.plan import plan_command
from noisevote.service.commands.shown import show
from noisevote.service.commands.tables import table_console
from noisevote.service.configuration.keys import check_name, digest_of, new_token
from noisevote.service.configuration.reading import (
    about_engine,
    check_at_start,
    load_settings,
    settings_table,
    variable_of,
)
from noisevote.service.prediction.predictor import Predictor
from noisevote.service.server import Address, serve_app
from noisevote.service.voting.backend import VotingBackend
from noisevote.service.wire.parsing import validated
from noisevote.service.wire.replies import PredictResponse
from noisevote.service.wire.requests import PredictRequest

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="TOML; by default what NOISEVOTE_SETTINGS_FILE names."),
]


app = typer.Typer(
    help="Neural networks as if they ran on noisy analog hardware.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True)


@app.callback()
def options(version: Version = False) -> None:
    """Neural networks as if they ran on noisy analog hardware."""


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes; they share the port.")] = 1,
    settings: SettingsFile = None,
) -> None:
    """Start the HTTP service; every setting is a NOISEVOTE_ environment variable, too."""
    chosen = load_settings(settings)
    check_at_start(chosen)
    serve_app(chosen, settings, Address(host, port), workers)


@app.command("settings")
def list_settings() -> None:
    """List every setting, what it means and its default, as Markdown."""
    typer.echo(settings_table())


@app.command("new-key")
def new_key(
    name: Annotated[str, typer.Argument(help="Of its owner, in logs and metrics.")],
) -> None:
    """Draw an API key; print it, and what to put into the settings file."""
    check_name(name)
    key = new_token()
    entry = f'"{name}" = "{digest_of(key)}"'
    typer.echo(f"key, to be kept secret: {key}")
    typer.echo(f"in the settings file:\n\n[api_keys]\n{entry}\n")
    variable, value = variable_of("api_keys"), entry.replace(" =", ":")
    typer.echo(f"or in the environment, as a JSON object of all keys:\n\n{variable}='{{{value}}}'")


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(help="Pictures, PNG or JPEG.")],
    checkpoint: voting.Checkpoint = None,
    noise: voting.Noise = None,
    sigma: voting.Sigma = None,
    snr_db: voting.SnrDb = None,
    device: voting.Device = None,
    chip: voting.Chip = None,
    chips: voting.Chips = None,
    age: voting.Age = None,
    temperature: voting.Temperature = None,
    votes: voting.Votes = 20,
    stop: voting.Stop = StopRule.FULL,
    alpha: voting.Alpha = 0.05,
    delta: voting.Delta = 0.001,
    seed: Annotated[int | None, typer.Option(help="Of the noise; drawn if absent.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One reply a line, as over HTTP.")] = False,
) -> None:
    """Vote on pictures without a server; the same answers as POST /predict."""
    chosen = load_settings()
    for complaint in about_engine(chosen):
        raise InputError(complaint)
    store = CheckpointStore(*chosen.checkpoints, preference=chosen.preference)
    options = {
        "checkpoint": checkpoint,
        "noise": noise,
        "sigma": sigma,
        "snr_db": snr_db,
        "device": device,
        "chip": chip,
        "chips": chips,
        "age_s": age,
        "temperature_c": temperature,
        "votes": votes,
        "stop": stop,
        "alpha": alpha,
        "delta": delta,
        "seed": seed,
    }
    predictor = Predictor(
        chosen, store, VotingBackend(chosen.slots, chip_bytes=chosen.max_chip_bytes)
    )
    requests = [(file, request_for(file, options)) for file in files]
    for file, reply in asyncio.run(predict_all(predictor, requests)):
        if json:
            typer.echo(reply.model_dump_json())
        else:
            show(file, reply, store.find(reply.checkpoint).card.labels)


@app.command()
def checkpoints() -> None:
    """List the checkpoints and their measured accuracy.

    They lie in the folders of the setting checkpoints: NOISEVOTE_CHECKPOINTS=mine:shipped names
    two, the second being those that are shipped. A name that stands in two is refused.
    """
    chosen = load_settings()
    store = CheckpointStore(*chosen.checkpoints)
    table = Table("checkpoint", "network", "noise", "sigma_train", "accuracy at sigma_train")
    for name in store.names():
        card = store.find(name).card
        at_training = [
            f"{100 * entry.accuracy:.1f} % with {entry.votes}"
            for evaluation in card.evaluations
            for entry in evaluation.accuracies
            if entry.sigma == card.noise.sigma_train
            and entry.votes in {1, 20}
            and not entry.repeats
        ]
        table.add_row(
            name,
            card.network,
            card.noise.kind,
            sigma_text(card.noise.sigma_train),
            ", ".join(at_training),
        )
    table_console().print(table)
    for name, reason in store.refused.items():
        complain("refused", "yellow", f"{name}: {reason}")


app.command("devices")(devices_command)
app.command("plan")(plan_command)
app.command("evaluate")(evaluate_command)
app.command("attack")(attack_command)


def request_for(file: Path, options: Mapping[str, object]) -> PredictRequest:
    """Build the request that a picture would be sent with."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    with blaming(file):
        return validated({"image": base64.b64encode(content).decode(), **options})


@contextmanager
def blaming(file: Path) -> Iterator[None]:
    """Say which file it was when the picture is at fault."""
    try:
        yield
    except InputError as error:
        if error.field != "image":
            raise
        raise PictureError(f"{file}: {error}", error.field) from error


async def predict_all(
    predictor: Predictor, requests: Sequence[tuple[Path, PredictRequest]]
) -> list[tuple[Path, PredictResponse]]:
    """Answer requests one after another, then close the predictor's backend.

    Raises:
        PictureError: one of the files cannot be read as a drawing; the message says which.
    """
    replies = []
    try:
        for file, request in requests:
            with blaming(file):
                replies.append((file, await predictor.predict(request)))
    finally:
        predictor.backend.close()
    return replies


def complain(word: str, colour: str, text: str) -> None:
    """Print one line to stderr; ``text`` may hold brackets and is not read as markup."""
    errors.print(f"[{colour}]{word}:[/] {escape(text)}", highlight=False, soft_wrap=True)


def main() -> None:
    """Run the command line; errors raised on purpose become one line and exit code 1."""
    try:
        app()
    except (NoisevoteError, OSError) as error:  # the latter of a full disk, a folder without rights
        complain("error", "red", str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
