"""The results page: the papers' numbers, ours and the limit side by side, from stored results.

Everything on the page comes from the CSV files in ``training/results``; each table names the
command behind every file that it reads.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from models.card import Accuracy
from models.noise import NoiseKind, snr_db_from_sigma
from training.limit import one_vote_limit
from training.paper import PAPER_RESULTS, SIGMAS, PaperResult
from training.results_file import Results, read_results

RESULTS = Path(__file__).parents[1] / "results"
PAGE = "README.md"
VOTES = 20
SHORT = {NoiseKind.MULTIPLICATIVE: "mult", NoiseKind.ADDITIVE: "add"}

INTRODUCTION = f"""# Results

Made by `noisevote-train report` from the files in this folder. Accuracies are per cent of the
official test images unless said, with exact 95 % intervals in brackets. What differs from the
paper (Qin & Vucinic, arXiv 1811.10649) everywhere: the widths, which are lost from its public
copies, and far fewer epochs, with another optimiser and loss (see each recipe). The paper's "best"
columns are envelopes: **each of their rows takes another training sigma** (in parentheses), while
ours are **one checkpoint** for all rows.

*Limit* is the best that one vote can do against the last layer's noise alone, times the accuracy
of the network trained and read without noise. *Equal energy* is one pass at sigma / sqrt({VOTES})
on the same checkpoint: what {VOTES} votes at sigma cost in energy if noise power falls as one over
energy.
"""


def write_report(folder: Path = RESULTS) -> Path:
    """Write the results page of ``folder`` anew and return its path."""
    path = folder / PAGE
    path.write_text(report(folder))
    return path


def report(folder: Path) -> str:
    """Return the results page as Markdown."""
    sections = [INTRODUCTION]
    for paper in PAPER_RESULTS:
        sections += network_section(folder / "evaluations", paper)
    sections += selection_section(folder / "selection")
    return "\n".join(sections)


def network_section(folder: Path, paper: PaperResult) -> list[str]:
    """Return the tables of one network and kind of noise; none without a hardened checkpoint."""
    kind = SHORT[paper.kind]
    hardened = results_of(folder / f"{paper.network}-{kind}-1.0.csv")
    if hardened is None:
        return []
    clean = results_of(folder / f"{paper.network}-clean-{kind}.csv")
    quiet = results_of(folder / f"{paper.network}-{kind}-1.0-equal-energy.csv")
    return [
        f"## `{paper.network}`, {paper.kind} noise\n",
        sigma_table(paper, clean, hardened, quiet),
        f"Accuracy against votes, trained at sigma 1.0:\n\n{votes_table(hardened)}",
        commands([results for results in (clean, hardened, quiet) if results is not None]),
    ]


def sigma_table(
    paper: PaperResult, clean: Results | None, hardened: Results, quiet: Results | None
) -> str:
    """Return accuracies over sigma: the paper's, ours, the limit."""
    quiet_best = find(clean, 0.0, 1)
    rows = []
    for index, sigma in enumerate(SIGMAS):
        one_vote = f"{paper.one_vote[index]} ({paper.by[index]})"
        voted = f"{paper.voted[index]} ({paper.voted_by[index]})" if paper.voted else "-"
        limit = "-"
        if paper.kind is NoiseKind.MULTIPLICATIVE:
            best = 1.0 if quiet_best is None else quiet_best.accuracy
            limit = f"{100 * one_vote_limit(sigma) * best:.1f}"
        rows.append(
            [
                f"{sigma:g}",
                f"{snr_db_from_sigma(sigma):.1f}" if sigma else "inf",
                str(paper.untrained[index]),
                shown(find(clean, sigma, 1)),
                one_vote,
                shown(find(hardened, sigma, 1)),
                limit,
                voted,
                shown(find(hardened, sigma, VOTES)),
                shown(find(quiet, round(sigma / VOTES**0.5, 4), 1)),
            ]
        )
    head = [
        "sigma", "SNR dB", "paper, trained without noise, 1 vote", "ours, trained without noise",
        "paper best, 1 vote (by)", "ours, trained at 1.0, 1 vote", "limit",
        f"paper best, {VOTES} votes (by)", f"ours, trained at 1.0, {VOTES} votes", "equal energy",
    ]  # fmt: skip
    if paper.kind is NoiseKind.ADDITIVE:
        rows = [[row[0], *row[2:6], *row[8:]] for row in rows]
        head = [head[0], *head[2:6], *head[8:]]
    return table(head, rows)


def votes_table(results: Results) -> str:
    """Return accuracies over sigma and votes."""
    votes = sorted({entry.votes for entry in results.accuracies})
    sigmas = sorted({e.sigma for e in results.accuracies if isinstance(e.sigma, float)})
    rows = [[f"{s:g}", *(shown(find(results, s, count)) for count in votes)] for s in sigmas]
    return table(["sigma", *(f"{count} vote{'s' if count > 1 else ''}" for count in votes)], rows)


def selection_section(folder: Path) -> list[str]:
    """Return what was chosen on validation images, and between what."""
    files = [(path.stem, read_results(path)) for path in sorted(folder.glob("*.csv"))]
    if not files:
        return []
    rows = [
        [f"`{results.about['trained by']}`", shown(find(results, 1.0, 1)),
         shown(find(results, 1.0, VOTES))]
        for _, results in files
    ]  # fmt: skip
    return [
        "## Choice of sigma_train\n",
        "Short runs, judged at sigma 1.0 on 5,000 training images held back, never on test images."
        "\n",
        table(["trained by", "1 vote", f"{VOTES} votes"], rows),
        commands([results for _, results in files]),
    ]


def results_of(path: Path) -> Results | None:
    """Return a file's results, or None if there is no such file."""
    return read_results(path) if path.is_file() else None


def find(results: Results | None, sigma: float, votes: int) -> Accuracy | None:
    """Return one accuracy; without noise any number of votes gives the same."""
    found = [] if results is None else results.accuracies
    return next((a for a in found if a.sigma == sigma and a.votes == votes), None)


def shown(accuracy: Accuracy | None) -> str:
    """Return an accuracy in per cent with its interval, or a dash."""
    if accuracy is None:
        return "-"
    low, high = (100 * end for end in accuracy.interval)
    return f"{100 * accuracy.accuracy:.2f} [{low:.2f}, {high:.2f}]"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def commands(results: Sequence[Results]) -> str:
    """Return what the numbers of a table were made by, once each."""
    lines = []
    for entry in results:
        about = entry.about
        lines.append(
            f"- `{about['command']}` on {about['checkpoint']} (`{about['trained by']}`): "
            f"{about['split']}; {about['noise']}; {about['machine']}; {about['libraries']}"
        )
    return "\n".join(lines) + "\n"
