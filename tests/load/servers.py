"""Servers under load: started in processes of their own, their CPU time and memory read."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

READY_WITHIN_S = 120.0
ENDS_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a server.

    Attributes:
        name: in the tables.
        arguments: the command; ``{port}`` stands for the port, here and in the environment.
        ready: path that answers 200 once it is ready.
        environment: beside that of this process.
        folder: in which it is started.
    """

    name: str
    arguments: Sequence[str]
    ready: str
    environment: Mapping[str, str]
    folder: Path = Path()


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        name: in the tables.
        port: that it listens on.
        pid: of its first process.
        ready_s: seconds from start to ready.
    """

    name: str
    port: int
    pid: int
    ready_s: float

    def cpu_s(self) -> float:
        """Return the CPU seconds of all its processes so far."""
        return cpu_s_of(processes_of(self.pid))

    def threads_cpu_s(self) -> float:
        """Return the CPU seconds of the threads that it has now, to the nanosecond."""
        return sum(
            int(file.read_text().split()[0]) / 1e9
            for pid in processes_of(self.pid)
            for file in Path(f"/proc/{pid}/task").glob("*/schedstat")
        )

    def memory_mib(self) -> float:
        """Return the memory of all its processes, shared pages counted once."""
        kib = 0
        for pid in processes_of(self.pid):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kib += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return kib / 1024

    def processes(self) -> int:
        """Return how many processes it has."""
        return len(processes_of(self.pid))


def cpu_s_of(pids: Iterable[int]) -> float:
    """Return the CPU seconds of processes so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_s_with_ended(pid: int) -> float:
    """Return the CPU seconds of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def processes_of(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):  # it has just ended
            continue
        parents.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def noisevote(slots: int, processes: int = 1, **settings: object) -> Command:
    """Return the command that starts our service in this environment."""
    environment = {f"NOISEVOTE_{name.upper()}": str(value) for name, value in settings.items()}
    arguments = [
        sys.executable, "-m", "uvicorn", "--factory", "noisevote.service.main:create",
        "--port", "{port}", "--workers", str(processes), "--no-access-log",
        "--log-level", "warning",
    ]  # fmt: skip
    environment["NOISEVOTE_SLOTS"] = str(slots)
    return Command(
        f"noisevote, {processes} x {slots} slots", arguments, "/health/ready", environment
    )


@contextmanager
def running(command: Command) -> Iterator[Server]:
    """Start a server, wait until it is ready, and stop it at the end of the block.

    Raises:
        RuntimeError: it ended, or was not ready in time.
    """
    port = free_port()
    arguments = [argument.replace("{port}", str(port)) for argument in command.arguments]
    given = {key: value.replace("{port}", str(port)) for key, value in command.environment.items()}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **given}
    began = time.monotonic()
    process = subprocess.Popen(
        arguments,
        cwd=command.folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_ready(process, port, command)
        yield Server(command.name, port, process.pid, time.monotonic() - began)
    finally:
        stop(process)


def wait_until_ready(process: subprocess.Popen[bytes], port: int, command: Command) -> None:
    """Ask until the server is ready."""
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"{command.name} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{command.ready}", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    raise RuntimeError(f"{command.name} was not ready within {READY_WITHIN_S:g} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and the processes of its session."""
    for name in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, name)
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            continue
        break
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what the first process left behind


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
