"""Prometheus metrics: what is counted, and how it is told, by one process or several.

Names and labels stand in ``docs/operations.md``, which dashboards and alerts rely on. Every label
has a bounded number of values whatever clients send: routes are templates, codes are those of the
one table of errors, checkpoints and keys are those of the operator.

Several worker processes share a folder of counters (``service/processes/worker_folder.py``), and
whichever is asked tells the sum.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from noisevote.models.devices.runtime import DeviceRuntime
from noisevote.models.drift import top_two
from noisevote.models.engines.arithmetic import arithmetic_in
from noisevote.service.log.request_record import RequestRecord
from noisevote.service.operations.process_metrics import ProcessMetrics, shared_registry
from noisevote.service.prediction.prepared import Prepared
from noisevote.service.voting.entries import Entry, Tile
from noisevote.service.wire.replies import DriftBody, DriftState, PredictResponse

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.999)
VOTE_CLASSES = ((1, "1"), (5, "2-5"), (10, "6-10"), (20, "11-20"), (50, "21-50"), (100, "51-100"))
MANY_VOTES = "101+"
ENGINE_LABELS = ("engine", "precision")

DIRECTIONS = {DriftState.LOWER: -1, DriftState.HIGHER: 1}

Labelled = TypeVar("Labelled", Counter, Histogram)

JobCounts = Callable[[], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class OfCheckpoint:
    """The metrics whose only label is the checkpoint, for one of them; as in ``Metrics``."""

    queue_s: Histogram
    compute_s: Histogram
    rows: Histogram
    slot_s: Counter
    requested: Counter
    cast: Counter
    abstentions: Counter
    agreement: Histogram
    margin: Histogram


class Metrics:
    """The metrics of one app.

    Its methods are safe to call from several threads, except that the queue's must not run side by
    side; the backend calls them under its lock.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._live = CollectorRegistry()
        self.process = ProcessMetrics(self._registry, self._live)
        self._left: dict[Entry, int] = {}
        self._checkpoints: dict[str, OfCheckpoint] = {}
        self._children: dict[tuple[object, tuple[str, ...]], Any] = {}
        self._requests = self._counter("requests", "Replies sent.", "route", "status")
        self._request_s = self._histogram(
            "request_seconds", "From the request's head to the reply's end.", SECONDS, "route"
        )
        self._predict_s = self._histogram(
            "predict_seconds", "The same for predictions.", SECONDS, "checkpoint", "votes"
        )
        self._queue_s = self._histogram(
            "queue_seconds", "Waiting for a slot.", SECONDS, "checkpoint"
        )
        self._compute_s = self._histogram("compute_seconds", "Voting.", SECONDS, "checkpoint")
        self._queued = Gauge(
            "noisevote_queued_votes",
            "Votes accepted and not yet cast.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._rows = self._histogram("batch_rows", "Votes in a forward pass.", ROWS, "checkpoint")
        self._slot_s = self._counter("slot_seconds", "Time that slots voted for.", "checkpoint")
        self._requested = self._counter("votes_requested", "Votes asked for.", "checkpoint")
        self._cast = self._counter("votes_cast", "Votes that counted.", "checkpoint")
        self._predictions = self._counter(
            "predictions", "Answers by what ended the voting.", "checkpoint", "stopped_by"
        )
        self._abstentions = self._counter(
            "abstentions", "Answers whose top two classes may be equally likely.", "checkpoint"
        )
        self._agreement = self._histogram(
            "agreement", "Share of the mode among the votes cast.", SHARES, "checkpoint"
        )
        self._margin = self._histogram(
            "margin", "Lead of the mode over the second, as a share.", SHARES, "checkpoint"
        )
        noise = ("checkpoint", "noise", "sigma", "votes")
        self._drift_shares = self._gauge(
            "drift_shares", "Means of late, and on the card.", *noise, "share", "of"
        )
        self._drift_state = self._gauge(
            "drift_state",
            "-1, 0, 1: votes agree less than the card says, as it says, more.",
            *noise,
        )
        self._drift_sigma = self._gauge(
            "drift_effective_sigma", "Sigma at which votes would agree as they do.", *noise
        )
        self._drift_alarms = self._counter(
            "drift_alarms", "Alarms of the vote drift monitor.", "checkpoint", "direction"
        )
        self._on_devices = self._counter(
            "device_predictions", "Answers on analog devices.", "checkpoint", "device"
        )
        self._by_engine = self._counter(
            "engine_predictions", "Answers by what computed them.", "checkpoint", *ENGINE_LABELS
        )
        self._chips_made = self._counter("chips_made", "Chips made.", "checkpoint")
        self._chip_bytes = Gauge(
            "noisevote_chip_bytes",
            "Memory of the chips that are held, about.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._chips_told: WeakKeyDictionary[DeviceRuntime, int] = WeakKeyDictionary()
        self._rejections = self._counter("rejections", "Errors by code.", "code")
        self._key_requests = self._counter("key_requests", "Requests of an API key.", "key")
        self._key_votes = self._counter("key_votes", "Votes cast for an API key.", "key")

    def _labelled(self, metric: Labelled, *labels: str) -> Labelled:
        """Return a metric at labels; kept, since looking it up costs as much as counting."""
        if (child := self._children.get((metric, labels))) is None:
            child = self._children[metric, labels] = metric.labels(*labels)
        return child

    def _of_checkpoint(self, name: str) -> "OfCheckpoint":
        """Return the metrics of a checkpoint; kept like :meth:`_labelled`."""
        found = self._checkpoints.get(name)
        if found is None:
            found = self._checkpoints[name] = OfCheckpoint(
                queue_s=self._queue_s.labels(name),
                compute_s=self._compute_s.labels(name),
                rows=self._rows.labels(name),
                slot_s=self._slot_s.labels(name),
                requested=self._requested.labels(name),
                cast=self._cast.labels(name),
                abstentions=self._abstentions.labels(name),
                agreement=self._agreement.labels(name),
                margin=self._margin.labels(name),
            )
        return found

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"noisevote_{name}", help_text, labels, registry=self._registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(
            f"noisevote_{name}",
            help_text,
            labels,
            registry=self._registry,
            multiprocess_mode="livemostrecent",
        )

    def _histogram(
        self, name: str, help_text: str, buckets: Iterable[float], *labels: str
    ) -> Histogram:
        return Histogram(
            f"noisevote_{name}", help_text, labels, registry=self._registry, buckets=tuple(buckets)
        )

    def text(self) -> bytes:
        """Return everything in Prometheus's text format, summed over the worker processes."""
        shared = shared_registry()
        return generate_latest(self._registry if shared is None else shared) + generate_latest(
            self._live
        )

    def count_jobs_by(self, counts: JobCounts) -> None:
        """Tell the number of assessments in each state, asked for when the metrics are.

        Args:
            counts: returns it; all worker processes see the same jobs.
        """
        self._live.register(JobCollector(counts))

    def replied(self, route: str, status: int, seconds: float, record: RequestRecord) -> None:
        """Count a reply."""
        at = self._labelled
        at(self._requests, route, str(status)).inc()
        at(self._request_s, route).observe(seconds)
        if record.is_answered and record.checkpoint is not None:
            at(self._predict_s, record.checkpoint, votes_label(record.votes)).observe(seconds)
        if record.code is not None:
            at(self._rejections, record.code).inc()
        if record.key is not None:
            at(self._key_requests, record.key).inc()
            at(self._key_votes, record.key).inc(record.votes_cast)

    def answered(self, prepared: Prepared, answer: PredictResponse) -> None:
        """Count the answer to a prediction."""
        of, timing = self._of_checkpoint(answer.checkpoint), answer.timing_ms
        of.queue_s.observe(timing.queue / 1000)
        of.compute_s.observe(timing.compute / 1000)
        of.requested.inc(prepared.request.votes * len(answer.predictions))
        of.cast.inc(sum(one.votes_cast for one in answer.predictions))
        by = arithmetic_in(answer.fingerprint)
        at = answer.checkpoint, by.engine, by.precision
        self._labelled(self._by_engine, *at).inc(len(answer.predictions))
        if prepared.device_name is not None:
            on_device = self._on_devices.labels(answer.checkpoint, prepared.device_name)
            on_device.inc(len(answer.predictions))
        for one in answer.predictions:
            self._labelled(self._predictions, answer.checkpoint, str(one.stopped_by)).inc()
            first, second = top_two(one.counts)
            of.agreement.observe(first / one.votes_cast)
            of.margin.observe((first - second) / one.votes_cast)
            if one.abstain:
                of.abstentions.inc()

    def holds_chips(self, checkpoint: str, runtime: DeviceRuntime, held_bytes: int) -> None:
        """Tell how many chips of a checkpoint have been made, and what all that are held take."""
        made = runtime.made
        self._chips_made.labels(checkpoint).inc(made - self._chips_told.get(runtime, 0))
        self._chips_told[runtime] = made
        self._chip_bytes.set(held_bytes)

    def drifted(self, checkpoint: str, body: DriftBody, raised: DriftState | None) -> None:
        """Tell how the votes of a checkpoint agree of late, and of an alarm if there is one."""
        if raised is not None:
            self._drift_alarms.labels(checkpoint, raised.value).inc()
        at = checkpoint, body.noise.value, f"{body.sigma:g}", str(body.votes)
        for name, shares in (("agreement", body.agreement), ("margin", body.margin)):
            self._drift_shares.labels(*at, name, "seen").set(shares.seen)
            self._drift_shares.labels(*at, name, "expected").set(shares.expected)
        self._drift_state.labels(*at).set(DIRECTIONS.get(body.state, 0))
        if body.effective_sigma is not None:
            self._drift_sigma.labels(*at).set(body.effective_sigma)

    def admitted(self, entry: Entry) -> None:
        """Count the votes that a request has put into the queue."""
        self._note(entry, entry.poll.votes_left)

    def computed(self, tile: Tile, seconds: float) -> None:
        """Count a forward pass, and what it leaves in the queue."""
        of = self._of_checkpoint(tile.group.checkpoint)
        of.rows.observe(tile.rows)
        of.slot_s.inc(seconds)
        for entry, _ in tile.parts:
            if entry in self._left:
                self._note(entry, entry.poll.votes_left)

    def left(self, entry: Entry) -> None:
        """Take the votes of a request that leaves out of the queue."""
        self._queued.dec(self._left.pop(entry, 0))

    def _note(self, entry: Entry, votes: int) -> None:
        self._queued.inc(votes - self._left.get(entry, 0))
        self._left[entry] = votes


class JobCollector(Collector):
    """Asks for the number of jobs when the metrics are asked for."""

    def __init__(self, counts: JobCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the one gauge."""
        gauge = GaugeMetricFamily("noisevote_jobs", "Assessments.", labels=["state"])
        for state, count in self._counts().items():
            gauge.add_metric([state], count)
        return [gauge]


def votes_label(votes: int) -> str:
    """Return the class that a number of votes falls into."""
    return next((label for most, label in VOTE_CLASSES if votes <= most), MANY_VOTES)
