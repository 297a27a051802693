"""The table of experiments, of the papers and beyond; a new one is a file here and a row."""

from typing import Any

from noisevote.training.experiments.ablation import ABLATION
from noisevote.training.experiments.devices import DEVICES
from noisevote.training.experiments.distributions import DISTRIBUTIONS
from noisevote.training.experiments.engines import ENGINES
from noisevote.training.experiments.experiment import Experiment
from noisevote.training.experiments.grid import GRID
from noisevote.training.experiments.learning import LEARNING
from noisevote.training.experiments.quantisation import QUANTISATION
from noisevote.training.experiments.table11 import TABLE11
from noisevote.training.experiments.votes import VOTES
from noisevote.training.experiments.weights import WEIGHTS
from noisevote.training.experiments.widths import WIDTHS

EXPERIMENTS: tuple[Experiment[Any], ...] = (
    GRID, VOTES, TABLE11, QUANTISATION,
    DEVICES, ENGINES, WEIGHTS, LEARNING, DISTRIBUTIONS, ABLATION, WIDTHS,
)  # fmt: skip
"""In the order of the results page."""
