"""Markup of a report: sections, lists and tables, every text of which is escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from models.robustness.report import Paired, Score, Share
from models.robustness.scores import as_percent

AGAINST = "against noiseless: points (right only with : only without noise)"


def section(title: str, *parts: str) -> str:
    """Return a section under a heading, or nothing if it is empty."""
    content = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>" if content else ""


def folded(summary: str, content: str, is_open: bool = False) -> str:
    """Return what is shown once somebody opens it; nothing if it is empty."""
    state = " open" if is_open else ""
    head = f"<details{state}><summary>{escape(summary)}</summary>"
    return f"{head}\n{content}\n</details>" if content else ""


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(text)}</p>"


def listed(items: Iterable[str]) -> str:
    """Return a bulleted list."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the first cell of each row is its heading."""
    columns = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = [
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
        for first, *cells in rows
    ]
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{columns}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def shown(score: Score | None, field: str) -> str:
    """Return a share of a score, or nothing if there is no score."""
    if score is None:
        return ""
    share: Share = getattr(score, field)
    return as_percent(share)


def percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{100 * share:.1f} %"


def paired_text(paired: Paired) -> str:
    """Return a paired comparison in figures."""
    return (
        f"{100 * paired.gain:+.1f} ({paired.noisy_only} : {paired.noiseless_only}), "
        f"p = {paired.p_value:.2g}"
    )


def mean_text(mean: float, interval: tuple[float, float]) -> str:
    """Return a mean of shares in per cent with its interval."""
    return f"{percent(mean)} [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
