"""Runs the app in uvicorn, in this process or in several."""

import errno
import os
import socket
from pathlib import Path
from typing import NamedTuple

import uvicorn

from noisevote.models.cores import allowed_cores
from noisevote.models.errors import InputError
from noisevote.service.app import lasting_app
from noisevote.service.configuration.reading import FILE, variable_of
from noisevote.service.configuration.settings import Settings
from noisevote.service.log.output import write_logs
from noisevote.service.processes.connections import BOUNDS
from noisevote.service.processes.worker_folder import shared_counters

FAMILY_IS_OFF = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""Of one family of addresses; uvicorn listens on the other one, or says that there is none."""


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int


def serve_app(settings: Settings, file: Path | None, address: Address, workers: int) -> None:
    """Serve until the process is told to stop.

    Args:
        settings: settings of the app.
        file: file that they were read from, for the workers to read again.
        address: where to listen.
        workers: processes; several share the address and the counters.

    Raises:
        InputError: nothing can listen there.
    """
    check_address(address)
    write_logs(settings.log_format, settings.log_level)
    host, port = address
    if workers == 1:
        uvicorn.run(
            lasting_app(settings), host=host, port=port, log_config=None, access_log=False, **BOUNDS
        )
        return
    os.environ.update(environment_of_workers(settings, file, workers))
    with shared_counters():
        uvicorn.run(
            "noisevote.service.main:create",
            factory=True,
            workers=workers,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            **BOUNDS,
        )


def check_address(address: Address) -> None:
    """Refuse an address at which nothing can listen, before anything is loaded for it.

    Raises:
        InputError: it is in use or reserved, or there is no host of that name.
    """
    try:
        for family, kind, protocol, _, place in socket.getaddrinfo(
            *address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(place)
    except OSError as error:
        if error.errno in FAMILY_IS_OFF:
            return
        raise InputError(
            f"the service cannot listen on {address.host}, port {address.port}: {error.strerror}; "
            "name another place with --host and --port (make serve PORT=...)"
        ) from error


def environment_of_workers(settings: Settings, file: Path | None, workers: int) -> dict[str, str]:
    """Return what worker processes must hear of beside the environment that they inherit.

    They share the token and, unless told otherwise, the cores.
    """
    found = {variable_of("internal_token"): settings.internal_token.get_secret_value()}
    if file is not None:
        found[FILE] = str(file)
    if "slots" not in settings.model_fields_set:
        found[variable_of("slots")] = str(max(1, allowed_cores() // workers))
    return found
