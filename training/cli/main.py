"""The command ``noisevote-train``: train, evaluate and export noise-hardened networks.

Exit codes: 0 done; 1 it could not be done, the last line says why; 2 wrong usage; 3 a training was
stopped by ``--minutes`` before its end, and the same command goes on; 130 interrupted; 143 told to
end.
"""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import typer
from rich.markup import escape

from noisevote.models.errors import MissingExtraError, NoisevoteError, how_to_install
from noisevote.models.version import Version
from noisevote.training.cli.calibrate_device import calibrate_device, simulate_measurements
from noisevote.training.cli.engines import time_engines
from noisevote.training.cli.importing import import_command, points
from noisevote.training.cli.network_options import NetworkOptions
from noisevote.training.cli.options import console, with_options

INTERRUPTED, TERMINATED = 130, 128 + signal.SIGTERM

WITHOUT_TORCH = ("points", "import", "calibrate-device", "simulate-measurements", "time-engines")
"""Commands that need no torch; the others are loaded unless one of these is asked for."""


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """Return the command line with all commands that the arguments may need.

    Raises:
        MissingExtraError: they ask for a command that needs torch, and it is missing.
    """
    app = typer.Typer(
        help="Train, evaluate and export noise-hardened networks; import those of others.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(options)
    if not {*arguments[:1]}.intersection(WITHOUT_TORCH):
        try:
            from noisevote.training.cli.torch_commands import add_torch_commands

            add_torch_commands(app)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing in {"", "noisevote"}:
                raise
            if "--help" not in arguments:
                raise MissingExtraError(
                    f"noisevote-train needs {missing}; {how_to_install('train')}"
                ) from error
    app.command()(with_options(points, NetworkOptions()))
    app.command("import")(with_options(import_command, NetworkOptions()))
    app.command("calibrate-device")(calibrate_device)
    app.command("simulate-measurements")(simulate_measurements)
    app.command("time-engines")(time_engines)
    return app


def options(version: Version = False) -> None:
    """Train, evaluate and export noise-hardened networks; import those of others."""


@contextmanager
def tidying_up() -> Iterator[None]:
    """Let SIGTERM end the block as an error does, so that what was begun is taken away."""

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        sys.exit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> None:
    """Run the command line; errors raised on purpose become one line and exit code 1."""
    try:
        with tidying_up():
            app_for(sys.argv[1:])()
    except (NoisevoteError, OSError) as error:  # the latter of a full disk, a folder without rights
        console.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except SystemExit as end:
        # Typer makes this of Ctrl-C.
        if end.code == INTERRUPTED:
            console.print("interrupted")
        raise
