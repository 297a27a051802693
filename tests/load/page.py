"""The page of the benchmarks: tables and figures of what was measured."""

from collections.abc import Callable, Sequence
from pathlib import Path

from noisevote.training.measure.results import Row, Table, read_table
from noisevote.training.report.markdown import markdown_table
from noisevote.training.report.style import new_figure, save, series_style, settings
from tests.load.engine_page import (
    devices_section,
    engine_section,
    engines_http_section,
    schemes_section,
    tiles_section,
)
from tests.load.overload import overload_findings
from tests.load.scale_out import scale_out_section

RESULTS = Path(__file__).parent / "results"
PAGE = "README.md"
FIGURES = "figures"

INTRODUCTION = """# Speed

Made by `python -m tests.load.bench page` from the files in this folder, which `make bench` and
`make bench-peers` write. All latencies count from when a request was due, not from when the client
got round to sending it, under arrivals at a set rate (Poisson) that does not wait for answers.
Client and server share the machine. With `--results FOLDER` another processor has a page of its
own.
"""

Column = tuple[str, str, str]
"""Title, column of the file, format."""

LOAD_COLUMNS: tuple[Column, ...] = (
    ("answers/s", "answered_per_s", ".0f"),
    ("p50 ms", "p50_ms", ".1f"),
    ("p95 ms", "p95_ms", ".1f"),
    ("p99 ms", "p99_ms", ".1f"),
    ("CPU-ms an answer", "cpu_ms_per_answer", ".2f"),
)


def write_page(folder: Path = RESULTS) -> Path:
    """Write tables and figures of a folder anew and return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    sections = [INTRODUCTION, *others_in(folder)]
    for name, section in SECTIONS.items():
        path = folder / f"{name}.csv"
        if path.is_file():
            table = read_table(path)
            sections += [section(table), about(table)]
    with settings():
        draw(folder)
    path = folder / PAGE
    path.write_text("\n".join(sections))
    return path


def others_in(folder: Path) -> list[str]:
    """Return where the same was measured on other processors, if it was."""
    pages = sorted(path.relative_to(folder) for path in folder.glob(f"*/{PAGE}"))
    links = ", ".join(f"[{page.parent}]({page})" for page in pages)
    return [f"On other processors: {links}.\n"] if links else []


def about(table: Table) -> str:
    """Return what a section was measured by and on."""
    return "; ".join(f"{key}: {value}" for key, value in table.about.items()) + "\n"


def cells(row: Row, columns: Sequence[Column]) -> list[str]:
    """Return the cells of a row; text and whole numbers as they are."""
    return [
        format(float(row[key]), shape) if shape and row[key] not in {"", "nan"} else row[key]
        for _, key, shape in columns
    ]


def rows_as_table(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Return rows as Markdown."""
    return markdown_table([title for title, _, _ in columns], [cells(row, columns) for row in rows])


OVERHEAD = """With one client, one request comes after the other: between two of them the caches go
cold and every thread falls asleep, which costs more than the work. Sixteen clients show what HTTP
adds when CPU time is what limits. The engine shares its tiles between as many requests there, too.

"""


def overhead_section(table: Table) -> str:
    """Return what a request costs beside its votes."""
    columns = (
        ("input", "input", ""),
        ("votes", "votes", ""),
        ("slots", "slots", ""),
        ("clients", "clients", ""),
        ("server CPU-ms", "server_cpu_ms", ".2f"),
        ("engine CPU-ms", "engine_cpu_ms", ".2f"),
        ("overhead CPU-ms", "overhead_cpu_ms", ".2f"),
        ("server p50 ms", "server_p50_ms", ".2f"),
        ("engine, one thread, p50 ms", "engine_p50_ms", ".2f"),
    )
    return "## HTTP overhead\n\n" + OVERHEAD + rows_as_table(table.rows, columns)


def surroundings_section(table: Table) -> str:
    """Return what stands around a prediction."""
    columns = (
        ("clients", "clients", ""),
        ("engine CPU-ms", "engine_cpu_ms", ".2f"),
        ("routes alone", "routes_cpu_ms", ".2f"),
        ("with all around", "all_cpu_ms", ".2f"),
        ("what is around", "surroundings_cpu_ms", ".3f"),
        ("over the engine", "over_engine_cpu_ms", ".2f"),
    )
    return (
        "## Keys, rate limit, metrics, log\n\nOne vote, in one process without a network.\n\n"
        + rows_as_table(table.rows, columns)
    )


def grid_section(table: Table) -> str:
    """Return latency over votes and rates."""
    columns = (
        ("votes", "votes", ""),
        ("stop", "stop", ""),
        ("votes cast", "votes_cast", ".2f"),
        ("rate", "rate", ""),
        *LOAD_COLUMNS,
        ("refused", "refused", ""),
        ("errors", "errors", ""),
    )
    return (
        f"## Votes against latency\n\n![latency over the rate]({FIGURES}/votes_latency.svg)\n\n"
        + rows_as_table(table.rows, columns)
    )


def overload_section(table: Table) -> str:
    """Return what happens at twice the peak."""
    columns = (
        ("load (peak = 1)", "load", ""),
        *LOAD_COLUMNS,
        ("answered", "answered", ""),
        ("refused", "refused", ""),
        ("errors", "errors", ""),
        ("queue limit s", "queue_limit_s", ".2f"),
        ("memory MiB", "memory_mib", ".0f"),
    )
    return (
        "## Twice the peak\n\nOne after the other, 20 votes.\n\n"
        + rows_as_table(table.rows, columns)
        + "\n"
        + overload_findings(table.rows)
    )


def scaling_section(table: Table) -> str:
    """Return the peak over processes and slots."""
    columns = (
        ("processes", "processes", ""),
        ("slots of each", "slots", ""),
        *LOAD_COLUMNS,
        ("memory MiB", "memory_mib", ".0f"),
        ("ready after s", "ready_s", ".1f"),
    )
    return "## Processes and slots\n\n20 votes, 16 clients.\n\n" + rows_as_table(
        table.rows, columns
    )


def peers_section(table: Table) -> str:
    """Return our service beside others."""
    columns = (
        ("server", "server", ""),
        ("rate", "rate", ""),
        *LOAD_COLUMNS,
        ("errors", "errors", ""),
        ("processes", "processes", ""),
        ("memory MiB", "memory_mib", ".0f"),
        ("ready after s", "ready_s", ".1f"),
    )
    return (
        "## Other servers\n\nThe same graph and 20 votes, in ONNX Runtime unless OpenVINO is "
        "named, in the same run with the same client. The others run two workers, draw the noise "
        "with NumPy and pass the votes of a request as one batch.\n\n"
        f"![peers]({FIGURES}/peers.svg)\n\n" + rows_as_table(table.rows, columns)
    )


def attack_section(table: Table) -> str:
    """Return how long an assessment takes."""
    first = table.rows[0]
    columns = (
        ("votes in", "arithmetic", ""),
        ("part", "part", ""),
        ("seconds", "seconds", ".1f"),
        ("CPU seconds", "cpu_s", ".1f"),
        ("votes", "votes", ""),
    )
    measured = [column for column in columns if column[1] in first]  # older runs lack some
    cpu = " CPU time is that of server and worker." if "cpu_s" in first else ""
    return (
        f"## Assessment\n\nPGD on {first['images']} images, {first['steps']} steps x "
        f"{first['restarts']} restarts on the surrogate, alone on the machine.{cpu}\n\n"
        + rows_as_table(table.rows, measured)
    )


def attack_load_section(table: Table) -> str:
    """Return what requests notice of an assessment."""
    columns = (
        ("requests", "load", ""),
        ("answers/s", "answered_per_s", ".0f"),
        ("of alone", "throughput_ratio", ".2f"),
        ("p50 ms", "p50_ms", ".1f"),
        ("p99 ms", "p99_ms", ".1f"),
        ("CPU-ms a vote", "cpu_ms_per_vote", ".3f"),
        ("of alone", "cpu_ratio", ".2f"),
        ("votes/s of the assessment", "job_votes_per_s", ".0f"),
    )
    return (
        "## Requests beside an assessment\n\n16 clients, 20 votes, as fast as the server answers; "
        "alone before and after. CPU time of the serving process over all votes, those of the "
        "assessment included.\n\n" + rows_as_table(table.rows, columns)
    )


SECTIONS: dict[str, Callable[[Table], str]] = {
    "engine": engine_section,
    "tiles": tiles_section,
    "engines_http": engines_http_section,
    "schemes": schemes_section,
    "devices": devices_section,
    "overhead": overhead_section,
    "surroundings": surroundings_section,
    "grid": grid_section,
    "overload": overload_section,
    "scaling": scaling_section,
    "peers": peers_section,
    "scale_out": lambda table: scale_out_section(table.rows),
    "attack": attack_section,
    "attack_load": attack_load_section,
}


def draw(folder: Path) -> None:
    """Draw the figures that there are results for."""
    for name, file, series in (
        ("votes_latency", "grid", lambda row: f"{row['votes']} votes, {row['stop']}"),
        ("peers", "peers", lambda row: row["server"]),
    ):
        path = folder / f"{file}.csv"
        if path.is_file():
            draw_latencies(read_table(path).rows, series, folder / FIGURES, name)


def draw_latencies(
    rows: Sequence[Row], series_of: Callable[[Row], str], folder: Path, name: str
) -> None:
    """Draw p50 and p99 over the rate answered, one line a series."""
    figure = new_figure(9, 4)
    at_rates = [row for row in rows if row["rate"] != "peak"]
    for axes, percentile in zip(figure.subplots(1, 2), ("p50_ms", "p99_ms"), strict=True):
        for index, series in enumerate(dict.fromkeys(map(series_of, at_rates))):
            of_series = [row for row in at_rates if series_of(row) == series]
            axes.plot(
                [float(row["answered_per_s"]) for row in of_series],
                [float(row[percentile]) for row in of_series],
                label=series,
                **series_style(index),
            )
        axes.set(
            xscale="log", yscale="log", xlabel="answers a second", ylabel=f"{percentile[:3]} ms"
        )
    axes.legend()
    save(figure, folder, name)
