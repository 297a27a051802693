"""The numbers of the papers, to stand beside ours.

Source: Qin & Vucinic, arXiv 1811.10649, Tables 2 to 9. Accuracies in per cent. The "best"
rows are envelopes: each column takes the training sigma that does best there (the papers' "by"
rows), so a single checkpoint is measured against several.
"""

from dataclasses import dataclass

from noisevote.models.noise import NoiseKind, snr_db_from_sigma
from noisevote.training.report.limit import one_vote_limit

SIGMAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
VOTES = 20

SHORT = {NoiseKind.MULTIPLICATIVE: "mult", NoiseKind.ADDITIVE: "add"}
"""Kinds of noise, as they stand in names."""


@dataclass(frozen=True, slots=True)
class PaperResult:
    """One network's accuracies over :data:`SIGMAS`.

    Attributes:
        network: name in the registry of networks.
        kind: kind of the noise.
        tables: tables of the paper, and its figures.
        clean: one vote, trained without noise.
        one_vote: one vote, best training sigma for each sigma.
        by: that training sigma.
        voted: 20 votes, best training sigma for each sigma; empty where the paper has none.
        voted_by: that training sigma.
    """

    network: str
    kind: NoiseKind
    tables: str
    clean: tuple[float, ...]
    one_vote: tuple[float, ...]
    by: tuple[float, ...]
    voted: tuple[float, ...] = ()
    voted_by: tuple[float, ...] = ()

    def shown_one_vote(self, index: int) -> str:
        """Return the best accuracy of one vote, and the training sigma behind it."""
        return f"{self.one_vote[index]} ({self.by[index]})"

    def shown_voted(self, index: int) -> str:
        """Return the best accuracy of 20 votes, and the training sigma behind it, or a dash."""
        return f"{self.voted[index]} ({self.voted_by[index]})" if self.voted else "-"

    def shown_snr(self, sigma: float) -> str:
        """Return the signal-to-noise ratio in dB where sigma tells it, or a dash."""
        if self.kind is NoiseKind.ADDITIVE:
            return "-"
        return f"{snr_db_from_sigma(sigma):.1f}" if sigma else "inf"

    def shown_limit(self, sigma: float, clean: float | None) -> str:
        """Return what one vote can reach at most from an accuracy without noise, or a dash."""
        if self.kind is NoiseKind.ADDITIVE or clean is None:
            return "-"
        return f"{100 * one_vote_limit(sigma) * clean:.1f}"


PAPER_RESULTS = (
    PaperResult(
        "mnist_cnn",
        NoiseKind.MULTIPLICATIVE,
        tables="Tables 2 and 7, Figures 2 and 8",
        clean=(99.5, 99.3, 93.5, 65.7, 38.8, 21.1),
        one_vote=(99.6, 99.5, 99.3, 94.6, 86.1, 77.7),
        by=(0.2, 0.5, 0.5, 0.7, 1.0, 1.0),
        voted=(99.6, 99.6, 99.6, 99.6, 99.6, 99.5),
        voted_by=(0.2, 0.5, 0.5, 0.5, 0.8, 0.9),
    ),
    PaperResult(
        "mnist_cnn",
        NoiseKind.ADDITIVE,
        tables="Table 3, Figure 2",
        clean=(99.5, 99.3, 95.8, 80.5, 58.8, 38.7),
        one_vote=(99.6, 99.5, 99.4, 99.2, 99.0, 98.4),
        by=(0.4, 0.4, 0.4, 0.6, 0.9, 1.0),
    ),
    PaperResult(
        "stroke_lstm",
        NoiseKind.MULTIPLICATIVE,
        tables="Tables 6 and 9, Figures 7 and 10",
        clean=(94.8, 88.0, 49.8, 23.6, 17.0, 15.5),
        one_vote=(95.6, 95.7, 94.3, 87.3, 77.0, 66.9),
        by=(0.3, 0.3, 0.4, 0.6, 0.8, 1.0),
        voted=(95.6, 96.1, 95.9, 94.6, 92.7, 89.6),
        voted_by=(0.3, 0.3, 0.4, 0.6, 0.7, 0.8),
    ),
    PaperResult(
        "densenet40",
        NoiseKind.MULTIPLICATIVE,
        tables="Tables 5 and 8, Figures 6 and 9",
        clean=(92.5, 91.9, 88.5, 78.7, 60.4, 29.9),
        one_vote=(92.8, 92.4, 91.5, 85.6, 75.7, 66.9),
        by=(0.1, 0.2, 0.4, 0.6, 0.8, 1.0),
        voted=(92.8, 92.7, 92.7, 92.8, 91.3, 89.1),
        voted_by=(0.1, 0.1, 0.2, 0.3, 0.6, 0.8),
    ),
)

PAPER_TABLE_11 = {
    "mnist": (97.40, 97.79, 97.90, 97.71, 97.00),
    "cifar10": (66.52, 67.65, 67.43, 66.57, 63.39),
}
"""Accuracy in per cent of the target under attack, by rows of growing sigma; the labels of the rows
are lost, but for the first: 0 (Table 11)."""

PAPER_WEIGHTS = (0.049, 0.054, 0.054, 0.059, 0.060, 0.060, 0.058, 0.056, 0.060, 0.058, 0.059)
"""Mean magnitude of the weights of the MNIST network at sigma_train 0, 0.1, ..., 1.0 (Table 4)."""
