"""Which arithmetic and draws an operator prefers, and what a network gets on this machine.

``auto`` follows what was measured once per network and kind of processor and stands on its card,
never a timing at loading: a service that starts again gives the same votes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

from noisevote.models.engines.arithmetic import ARITHMETICS, REFERENCE, Arithmetic
from noisevote.models.errors import MissingExtraError, how_to_install

EngineChoice = Literal["onnxruntime", "openvino", "auto"]
PrecisionChoice = Literal["float32", "bfloat16", "auto"]

CPU_KINDS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
"""Of x86 processors, by what they have, the fastest first; names are those of Linux."""

WITH_BFLOAT16 = CPU_KINDS[:2]
"""Those that multiply in bfloat16."""

WORTH_IT = 0.9
"""Time of a vote, over that of the reference, from which on ``auto`` takes another engine."""

CPU_INFO = Path("/proc/cpuinfo")

Times = Mapping[str, Mapping[str, float]]
"""CPU time of a vote by kind of processor and arithmetic, over that of the reference."""


@dataclass(frozen=True, slots=True)
class Preference:
    """What an operator wants; see the settings ``engine``, ``precision`` and ``noise_scheme``.

    Attributes:
        engine: that runs the networks; ``auto`` takes what is fastest by each card.
        precision: of their numbers; ``auto`` takes bfloat16 where engine and processor have it.
        noise_scheme: id of the scheme that draws all noise; None leaves it to each card.
    """

    engine: EngineChoice = "onnxruntime"
    precision: PrecisionChoice = "float32"
    noise_scheme: str | None = None

    @classmethod
    def of(cls, arithmetic: Arithmetic) -> Self:
        """Return what asks for one arithmetic."""
        return cls(arithmetic.engine.value, arithmetic.precision.value)

    @property
    def complaint(self) -> str | None:
        """What is wrong with it on this machine; None if nothing is."""
        if self.engine == "onnxruntime" and self.precision == "bfloat16":
            return (
                "precision is bfloat16, which onnxruntime does not compute in; set engine to "
                "openvino or auto"
            )
        if self.engine == "openvino" and not has_openvino():
            return f"engine is openvino, which is not installed; {how_to_install('openvino')}"
        if self.engine == "openvino" and self.precision == "bfloat16" and not has_bfloat16():
            return "precision is bfloat16, which this processor has no instructions for; set auto"
        return None

    def arithmetic(self, times: Times) -> Arithmetic:
        """Return what a network is to be computed in.

        Args:
            times: of the network.

        Raises:
            MissingExtraError: it cannot be had on this machine.
        """
        if self.complaint is not None:
            raise MissingExtraError(self.complaint)
        named = [one for one in arithmetics_here() if self._names(one)]
        if self.engine != "auto":
            return named[-1]
        measured = times.get(cpu_kind() or "", {})
        known = [one for one in named if str(one) in measured]
        fastest = min(known, key=lambda one: measured[str(one)], default=REFERENCE)
        time, own = (measured.get(str(one), 1.0) for one in (fastest, REFERENCE))
        return fastest if time <= WORTH_IT * own else REFERENCE

    def _names(self, one: Arithmetic) -> bool:
        """Return whether an arithmetic is among what is wanted."""
        return self.engine in {one.engine, "auto"} and self.precision in {one.precision, "auto"}


def arithmetics_here() -> list[Arithmetic]:
    """Return what this machine can compute in."""
    return [one for one in ARITHMETICS if Preference.of(one).complaint is None]


@lru_cache(maxsize=1)
def has_openvino() -> bool:
    """Return whether the extra ``openvino`` is installed."""
    return find_spec("openvino") is not None


@lru_cache(maxsize=1)
def cpu_kind(info: Path = CPU_INFO) -> str | None:
    """Return the kind of this processor, one of :data:`CPU_KINDS`; None if it is none of them."""
    try:
        lines = info.read_text().splitlines()
    except OSError:  # no Linux
        return None
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return next((kind for kind in CPU_KINDS if kind in flags), None)


def has_bfloat16() -> bool:
    """Return whether this processor multiplies in bfloat16."""
    return cpu_kind() in WITH_BFLOAT16
