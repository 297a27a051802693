"""The command ``noisevote-train``: settings of the process that hold from its start alone.

The tensors of a step come and go by the megabyte. Left alone, glibc gives their memory back to the
system and takes it again, page by page; kept, and in huge pages, a step of a DenseNet takes a fifth
less time. Threads of OpenMP that wait sleep instead of spinning, so that other work has the core.
"""

import os
import sys

from noisevote.models.errors import how_to_install
from noisevote.models.version import show_version

ALLOCATOR = {"hugetlb": 1, "mmap_max": 0, "trim_threshold": 2**34, "top_pad": 2**26}
"""Tunables of glibc's malloc: transparent huge pages, nothing mapped apart, nothing given back."""

OURS = ("", "noisevote")

SETTINGS = {
    "GLIBC_TUNABLES": ":".join(f"glibc.malloc.{name}={value}" for name, value in ALLOCATOR.items()),
    "OMP_WAIT_POLICY": "passive",
}
"""Variables of the environment; those that are set already stay as they are."""


def restart_with_settings() -> None:
    """Run the process anew, by the same command, if a setting is missing."""
    missing = {name: value for name, value in SETTINGS.items() if name not in os.environ}
    if missing and sys.platform == "linux":
        os.execve(sys.executable, sys.orig_argv, os.environ | missing)


def main() -> None:
    """Run the command line, in a process that has the settings."""
    show_version(sys.argv[1:] == ["--version"])  # at once, also where onnx is missing
    is_import = bool({"points", "import"}.intersection(sys.argv[1:2]))
    if not is_import:
        restart_with_settings()
    try:
        from noisevote.training.cli.main import main as run  # needs onnx
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in OURS:
            raise
        extra = how_to_install("import" if is_import else "train")
        sys.exit(f"error: noisevote-train needs {missing}; {extra}")
    run()


if __name__ == "__main__":
    main()
