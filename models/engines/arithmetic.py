"""In which arithmetic votes are computed: an engine and a precision, which a fingerprint names."""

from dataclasses import dataclass
from enum import StrEnum


class Engine(StrEnum):
    """What runs graphs."""

    ONNX_RUNTIME = "onnxruntime"
    OPENVINO = "openvino"


class Precision(StrEnum):
    """In what numbers a network is computed.

    ``bfloat16`` are the upper 16 bits of a float32: the same range, 8 bits of accuracy. Sums of
    products are kept in float32.
    """

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """What decides the last bits of a vote's outputs.

    Attributes:
        engine: runs the graph.
        precision: of its numbers.
    """

    engine: Engine
    precision: Precision

    def __str__(self) -> str:
        return f"{self.engine}-{self.precision}"

    @property
    def mark(self) -> str:
        """What a fingerprint ends with where votes are computed in it; nothing of the reference."""
        return "" if self == REFERENCE else f":{self}"


REFERENCE = Arithmetic(Engine.ONNX_RUNTIME, Precision.FLOAT32)
"""In which cards are measured, and votes are cast unless a setting says otherwise."""

ARITHMETICS = (  # of an engine the fastest last
    REFERENCE,
    Arithmetic(Engine.OPENVINO, Precision.FLOAT32),
    Arithmetic(Engine.OPENVINO, Precision.BFLOAT16),
)


BY_NAME = {str(one): one for one in ARITHMETICS}


def arithmetic_in(fingerprint: str) -> Arithmetic:
    """Return the arithmetic that a fingerprint names."""
    return BY_NAME.get(fingerprint.rpartition(":")[2], REFERENCE)


def without_mark(fingerprint: str) -> str:
    """Return what a fingerprint says of all but the arithmetic."""
    return fingerprint.removesuffix(arithmetic_in(fingerprint).mark)
