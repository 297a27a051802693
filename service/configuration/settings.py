"""Every setting of the service, its unit and its default.

``service/configuration/reading.py`` reads them.
"""

import hashlib
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from noisevote.models.checkpoint import SHIPPED
from noisevote.models.cores import allowed_cores
from noisevote.models.draws.schemes import SchemeId
from noisevote.models.engines.preference import EngineChoice, PrecisionChoice, Preference
from noisevote.models.study.folders import studies_beside
from noisevote.service.configuration.folders import folders_from, some_folders_from
from noisevote.service.configuration.keys import KeyDigest, KeyName, new_secret
from noisevote.service.log.output import LogFormat, LogLevel

INSTALLED = Path(__file__).resolve().parents[2]
"""Where this installation lies."""

MOST_ATTACK_THREADS = 8
"""That an assessment takes unless it is told otherwise."""


def user_jobs_dir() -> Path:
    """Return the folder of the jobs in the user's home, or here if there is no home.

    Each installation has its own: another clone has other checkpoints under the same names.
    """
    name = f"jobs-{hashlib.sha256(os.fsencode(INSTALLED)).hexdigest()[:8]}"
    try:
        return Path.home() / ".local" / "share" / "noisevote" / name
    except RuntimeError:
        return Path(name)


class Settings(BaseSettings):
    """Read from the environment: ``NOISEVOTE_`` and the name in capitals, or a file."""

    model_config = SettingsConfigDict(
        env_prefix="NOISEVOTE_", frozen=True, use_attribute_docstrings=True
    )

    checkpoints: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(folders_from)] = (SHIPPED,)
    """Folders of the checkpoints, one folder each, the default one among them; several have the
    separator of paths between, ``:`` but on Windows, and ``shipped`` stands for those that are
    shipped. A name that stands in two of them is refused."""
    default_checkpoint: str = "mnist_cnn-mult-1.0"
    """Checkpoint that answers requests that name none."""
    engine: EngineChoice = "onnxruntime"
    """What runs the networks: ``onnxruntime``, ``openvino`` (an extra), or ``auto``, which takes
    what is fastest on this kind of processor by the card of each network. Other engines give other
    votes in single cases, and fingerprints name them; votes on devices, and those that stop by a
    calibrated margin, are always cast by ``onnxruntime``."""
    precision: PrecisionChoice = "float32"
    """Numbers in which ``openvino`` computes votes: ``float32``, ``bfloat16``, or ``auto``, which
    takes the latter where the processor has it. What bfloat16 does not suit, no noise or noise
    below a tenth of the signal, ``onnxruntime`` computes in its stead."""
    noise_scheme: SchemeId | Literal["card"] = "card"
    """How the noise of votes follows from seed, position and vote: ``card``, as the card of each
    checkpoint says, or the id of a scheme for all of them, of which ``sfc64x8-icdf4-1`` is the
    cheapest. Another scheme gives other votes, and fingerprints begin with its id."""
    slots: int = Field(default_factory=allowed_cores, ge=1)
    """Forward passes computed side by side, one thread each; as a rule the cores allowed."""
    max_votes: int = Field(default=1000, ge=1)
    """Most votes for one input."""
    max_inputs: int = Field(default=64, ge=1)
    """Most inputs in a request."""
    max_body_bytes: int = Field(default=8 * 2**20, ge=1)
    """Largest body of a request, in bytes."""
    max_body_s: float = Field(default=30.0, gt=0)
    """Seconds in which a body must have arrived."""
    max_request_gmacs: float = Field(default=400, gt=0)
    """Most votes of a request, by cost: inputs x votes x multiply-accumulates of one vote, in units
    of 10^9; 400 are about 20,000 votes of ``mnist_cnn``."""
    max_queue_gmacs: float = Field(default=16, gt=0)
    """Most votes that may wait, by cost, in 10^9 multiply-accumulates a slot, each priority for
    itself; 16 are about 800 votes of ``mnist_cnn``, or 0.4 seconds. A single request counts as at
    most an eighth of the queue, and at least a thousandth."""
    max_held_bytes: int = Field(default=64 * 2**20, ge=1)
    """Most bytes of bodies that are read and prepared at the same time; those of assessments count
    apart, up to about twice ``max_body_bytes``."""
    max_connections: int = Field(default=256, ge=1)
    """Most connections that are open at the same time in a worker process; never more than half of
    the files that it may open."""
    devices: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(some_folders_from)] = ()
    """Folders of device profiles, ``*.toml``, beside those that are shipped; several have the
    separator of paths between."""
    studies: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(some_folders_from)] = ()
    """Folders of studies, as ``noisevote-train study`` makes them, for ``/plan`` and reports;
    several have the separator of paths between. By default ``studies`` beside each folder of the
    checkpoints."""
    allow_inline_devices: bool = True
    """Whether requests may hold device profiles of their own."""
    max_chips: int = Field(default=32, ge=1)
    """Most chips of a device that cast the votes of a request."""
    max_chip_bytes: int = Field(default=256 * 2**20, ge=1)
    """Most bytes that the weights of chips take in memory, about, in each worker process; those
    that were used longest ago are made anew when they are asked for."""
    allow_client_seed: bool = True
    """Whether requests may set their seed. A fixed seed freezes the noise, which helps an
    attacker."""
    checkpoint_poll_s: float = Field(default=2.0, ge=0)
    """Seconds between two looks at the folder of the checkpoints for new, replaced and removed
    ones; 0 never looks."""
    api_keys: dict[KeyName, KeyDigest] = Field(default_factory=dict)
    """Name and digest ``sha256:...`` of each key, as ``noisevote new-key`` prints them. If there
    are any, every request needs one but those for health and for the files of page and
    reference."""
    internal_token: SecretStr = Field(default_factory=new_secret, min_length=16)
    """Token that lets the service's own workers in when there are keys; drawn at the start if it is
    not set, which several servers started apart cannot share."""
    allowed_hosts: str | None = None
    """Names by which the service may be called, separated by commas, beside its addresses and
    ``localhost``; pages of these may start work. If it is not set, any name is allowed, but without
    keys no page under a name may start work but ``localhost``."""
    trusted_proxies: str | None = None
    """Addresses or networks of proxies, separated by commas, whose ``X-Forwarded-For`` and
    ``X-Forwarded-Proto`` are believed; ``*`` believes everybody."""
    rate_limit_votes_per_s: float | None = Field(default=None, gt=0)
    """Votes a second that each key may ask for, or each client address if there are no keys; in
    each worker process. Votes that were not cast are given back."""
    rate_limit_burst_votes: float | None = Field(default=None, gt=0)
    """Votes that may be asked for at once after a pause; by default what ten seconds allow. One
    request for more is let in after a pause that allows so many, and the next ones wait until the
    rest is paid."""
    log_format: LogFormat = LogFormat.TEXT
    """Form of the lines of the log: ``text`` or ``json``."""
    log_level: LogLevel = LogLevel.INFO
    """Least level that is logged: ``debug``, ``info``, ``warning`` or ``error``."""
    traces_endpoint: HttpUrl | None = None
    """Address of a collector of OpenTelemetry traces over HTTP, like
    ``http://127.0.0.1:4318/v1/traces``; needs the extra ``otel``."""
    jobs_dir: Path = Field(default_factory=user_jobs_dir)
    """Folder of the assessments, on a disk of this machine; made for the first one. Processes that
    share it share one worker. By default each installation has its own."""
    data_dir: Path | None = None
    """Folder of the data sets whose images can be attacked; by default
    ``~/.cache/noisevote/data``."""
    max_jobs: int = Field(default=100, ge=1)
    """Most assessments that are kept, of each key, until they are deleted."""
    max_attack_samples: int = Field(default=10_000, ge=1)
    """Most samples of one assessment."""
    max_job_bytes: int = Field(default=2 * 2**30, ge=1)
    """Most bytes that the results of one assessment may take up, on disk and in the memory of the
    worker."""
    max_job_passes: int = Field(default=500_000_000, ge=1)
    """Most forward passes that one assessment may take, about; a gradient counts as three."""
    attack_threads: int = Field(
        default_factory=lambda: min(allowed_cores(), MOST_ATTACK_THREADS), ge=1
    )
    """Threads of the worker's gradients, of low priority like all of it. Each holds what a network
    computes for 32 samples."""
    attack_url: str | None = None
    """Address at which the worker reaches this service; by default the one at which the request for
    an assessment came in, without TLS."""

    @property
    def study_folders(self) -> tuple[Path, ...]:
        """Folders of studies."""
        return self.studies or tuple(studies_beside(folder) for folder in self.checkpoints)

    @property
    def preference(self) -> Preference:
        """In which arithmetic votes are to be cast, and by which scheme their noise is drawn."""
        scheme = None if self.noise_scheme == "card" else self.noise_scheme
        return Preference(self.engine, self.precision, scheme)
