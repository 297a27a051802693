"""The Dockerfile, read stage by stage, and its installation steps performed without Docker."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"


@dataclass(frozen=True)
class Stage:
    """Instructions between one FROM and the next.

    Attributes:
        name: behind AS.
        base: what it starts from: an image or another stage.
        steps: instruction and its text, in order.
    """

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def texts(self, instruction: str) -> list[str]:
        return [text for name, text in self.steps if name == instruction]


def stages() -> dict[str, Stage]:
    """Return the stages of the Dockerfile by name."""
    found: dict[str, Stage] = {}
    stage = None
    for entry in DockerfileParser(path=str(DOCKERFILE)).structure:
        instruction, text = entry["instruction"], entry["value"]
        if instruction == "FROM":
            base, name = re.fullmatch(r"(\S+) AS (\S+)", text).groups()  # type: ignore[union-attr]
            stage = found[name] = Stage(name, base)
        elif stage is not None and instruction != "COMMENT":
            stage.steps.append((instruction, text))
    return found


def lineage(name: str, without: str = "") -> list[tuple[str, str]]:
    """Return the steps of a stage and of the stages that it starts from, oldest first."""
    every = stages()
    stage = every[name]
    is_ours = stage.base in every and stage.base != without
    return (lineage(stage.base, without) if is_ours else []) + stage.steps


def last(name: str, instruction: str) -> str:
    """Return what counts in the end, of all that a stage and its bases say."""
    return [text for found, text in lineage(name) if found == instruction][-1]


def command(name: str, instruction: str) -> list[str]:
    """Return a CMD, or the one of a HEALTHCHECK, which must be in exec form."""
    words: list[str] = json.loads(last(name, instruction).partition("[")[2].join(["[", ""]))
    return words


def variables(text: str) -> dict[str, str]:
    """Return what an ENV or ARG sets."""
    return dict(re.findall(r'(\w+)="?([^"\s]*)"?', text))


class Replay:
    """Performs ENV, WORKDIR, COPY and RUN of a stage under an empty folder.

    Absolute paths of the image lie under ``root``; commands run as they stand, with the image's
    variables and nothing of this process's environment but where packages come from. The stage
    ``compiler`` is not performed: it would install packages of the system, and this machine has a
    compiler or, as the image would without that stage, goes without.

    Args:
        root: an empty folder, the image's file system.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root
        self.home = root / "root"
        self.home.mkdir(parents=True)
        # As in the base image, `python` has pip; the one below this environment may not.
        python = self.home / "bin" / "python"
        python.parent.mkdir()
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        self.environment = kept | {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(self.home)}

    def inside(self, path: str) -> str:
        """Return where a path of the image lies; anything but an absolute path stays."""
        return str(self.root) + path if path.startswith("/") else path

    def perform(self, name: str) -> None:
        """Perform the steps of a stage and of its bases."""
        for instruction, text in lineage(name, without="compiler"):
            if instruction in {"ENV", "ARG"}:
                new = {key: self.inside(value) for key, value in variables(text).items()}
                self.environment |= new
            elif instruction == "WORKDIR":
                self.directory = Path(self.inside(text))
                self.directory.mkdir(parents=True, exist_ok=True)
            elif instruction == "COPY":
                self.copy(*text.split())
            elif instruction == "RUN":
                self.run(["/bin/sh", "-c", text])

    def copy(self, *paths: str) -> None:
        """Copy from the build context: tracked files that the ignore file lets through."""
        *sources, target = paths
        for file in context():
            for source in sources:
                if file == source or file.startswith(f"{source}/"):
                    to = self.directory / target / file if target == "./" else self.directory / file
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(ROOT / file, to, follow_symlinks=False)

    def run(self, words: list[str]) -> str:
        """Run a command in the image's environment and return what it prints."""
        done = subprocess.run(
            words,
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout


def context() -> Iterator[str]:
    """Yield the tracked files that ``Dockerfile.dockerignore`` lets into the build."""
    rules = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    kept = [rule[1:] for rule in rules if rule.startswith("!")]
    dropped = [rule for rule in rules if rule[:1] not in {"", "!", "#"} and "*" not in rule]
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for file in listed.stdout.splitlines():
        if under(file, kept) and not under(file, dropped):
            yield file


def under(file: str, folders: list[str]) -> bool:
    return any(file == folder or file.startswith(f"{folder}/") for folder in folders)
