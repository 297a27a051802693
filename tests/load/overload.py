"""What happens at twice of what the service can do.

Peak and overload take turns, each at twice the rate of the peak before it: the machine may be
shared, and then its speed changes by more than what is asked about.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.service.voting.backend import QUEUE_GMACS_A_SLOT
from noisevote.service.voting.batcher import GIGA
from tests.load.http_load import (
    CHECKPOINT,
    VOTES,
    Lengths,
    Row,
    measured_peak,
    measured_rate,
    predict_requests,
)
from tests.load.servers import noisevote, running

PEAK, CALM, TWICE = "peak", "0.25", "2"
PAIRS = 8

T_975 = 2.365
"""Quantile of Student's t with ``PAIRS - 1`` degrees of freedom."""


def overload_rows(slots: int, lengths: Lengths) -> Iterator[Row]:
    """Measure a quarter of the peak, then peak and twice the peak by turns."""
    checkpoint = CheckpointStore(SHIPPED).find(CHECKPOINT)
    queue_votes = slots * QUEUE_GMACS_A_SLOT * GIGA / checkpoint.card.macs
    requests = predict_requests(VOTES)
    with running(noisevote(slots)) as server:
        _, outcomes = measured_peak(server, requests, lengths.peak)
        rate = outcomes.answered_per_s
        for load in (CALM, *(PEAK, TWICE) * PAIRS, CALM):
            if load == PEAK:
                columns, outcomes = measured_peak(server, requests, lengths.overload)
                rate = outcomes.answered_per_s
            else:
                seconds = lengths.overload * (2 if load == CALM else 1)
                columns, outcomes = measured_rate(server, requests, float(load) * rate, seconds)
            limit_s = queue_votes / (outcomes.answered_per_s * VOTES) if load != CALM else math.nan
            about: Row = {"memory_mib": server.memory_mib(), "queue_limit_s": limit_s}
            yield {"load": load, **about, **columns}


def overload_findings(rows: Sequence[Mapping[str, str]]) -> str:
    """Return throughput and latency at twice the peak against what is asked of them, in words.

    Args:
        rows: as :func:`overload_rows` gave them.
    """
    twice = [row for row in rows if row["load"] == TWICE]
    peaks, over = values(rows, PEAK, "answered_per_s"), values(rows, TWICE, "answered_per_s")
    logs = np.log(over / peaks)
    half = T_975 * float(np.std(logs, ddof=1)) / math.sqrt(len(logs))
    ratio, low, high = (math.exp(float(logs.mean()) + shift) for shift in (0.0, -half, half))
    calm_ms = float(np.median(values(rows, CALM, "p99_ms")))
    allowed_ms = 3 * calm_ms + 1000 * values(rows, TWICE, "queue_limit_s")
    shares = values(rows, TWICE, "p99_ms") / allowed_ms
    errors = sum(int(float(row["errors"])) for row in twice)
    return (
        f"Throughput at twice the peak, of that at the peak just before: {ratio:.3f} "
        f"[{low:.3f}, {high:.3f}] ({len(logs)} pairs, geometric mean, 95 % interval). p99 of the "
        f"accepted requests, of what is allowed (3 x the {calm_ms:.0f} ms at a quarter of the "
        "peak, and what a full queue holds at the throughput of the run): median "
        f"{float(np.median(shares)):.2f}, {shares.min():.2f} to {shares.max():.2f}. "
        f"Errors other than refusals: {errors}.\n"
    )


def values(rows: Sequence[Mapping[str, str]], load: str, column: str) -> NDArray[np.float64]:
    """Return a column of the rows of one load."""
    return np.array([float(row[column]) for row in rows if row["load"] == load])
