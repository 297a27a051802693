"""The header of a safetensors file, which tells where each tensor lies.

Source: safetensors format: 8 bytes with the length of the header, the header as JSON, the data.
"""

import json
from typing import Any, BinaryIO

LENGTH_BYTES = 8


def tensors_told(file: BinaryIO) -> tuple[dict[str, dict[str, Any]], int]:
    """Return what a file tells of its tensors, by name, and the place of its first byte of data.

    Args:
        file: at its begin.
    """
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, LENGTH_BYTES + length
