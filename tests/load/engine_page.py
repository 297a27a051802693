"""What the page of the benchmarks shows of engines and devices."""

from collections.abc import Sequence

from noisevote.training.measure.results import Row, Table
from noisevote.training.report.markdown import markdown_table


def engine_section(table: Table) -> str:
    """Return the engine's ratios, one column a network."""
    return (
        "## Engine\n\nOne thread, one process, sigma 0.5, medians (quartiles) over rounds in which "
        "all contenders take turns. The PyTorch loop is eager, in inference mode, 20 passes of "
        "batch 1 with `torch.randn_like` at every noise point. Answers are those of 16 requests "
        "that wait at the same time, as the batcher serves them.\n\n" + by_network(table.rows)
    )


def tiles_section(table: Table) -> str:
    """Return what votes cost in tiles of other sizes."""
    rows = [[row["checkpoint"], row["measure"], spread(row)] for row in table.rows]
    return (
        "## Tiles\n\nOne thread, sigma 0.5, medians (quartiles) of ratios to tiles of the size "
        "named last, the card's at that time. Votes are on one image; answers are those of 16 "
        "requests for 20 votes that wait at the same time.\n\n"
        + markdown_table(["checkpoint", "measure", "ratio"], rows)
    )


def by_network(rows: Sequence[Row]) -> str:
    """Return measures with a column for each network."""
    names = list(dict.fromkeys(row["checkpoint"] for row in rows))
    found = {(row["checkpoint"], row["measure"]): row for row in rows}
    units = {row["measure"]: row["unit"] for row in rows}
    shown = [
        [measure, *(spread(found.get((name, measure))) for name in names), unit]
        for measure, unit in units.items()
    ]
    return markdown_table(["measure", *(f"`{name}`" for name in names), "unit"], shown)


def engines_http_section(table: Table) -> str:
    """Return what an answer over HTTP costs by each engine."""
    rows = [
        [
            row["arithmetic"],
            row["votes"],
            f"{float(row['cpu_ms_per_answer']):.2f}",
            spread({**row, "value": row["ratio"]}),
        ]
        for row in table.rows
    ]
    return (
        "## Engines over HTTP\n\nCPU time of the server for an answer to an array, sixteen "
        "clients, one slot; the ratio to the reference is the median (quartiles) over turns in "
        "which all servers follow one another.\n\n"
        + markdown_table(["arithmetic", "votes", "CPU-ms an answer", "ratio"], rows)
    )


def schemes_section(table: Table) -> str:
    """Return what drawing by the scheme of new checkpoints costs."""
    return (
        "## Noise schemes\n\nCPU time on one thread, by the scheme `sfc64x8-icdf4-1` over that by "
        "`sfc64-icdf16-1`, medians (quartiles) over rounds in which all contenders take turns: "
        "drawing alone, a million values, and whole votes in tiles of the card's size. Networks "
        "that do not ship have random weights: `mobilenet_v3_small` and `vit_tiny` on 224 x 224 "
        "pixels, `vit_narrow` (64 wide, 7 layers) on 160 x 160, `bert_mini` (256 wide, 4 layers) "
        "on 128 tokens, `bert_narrow` (64 wide, 2 layers) on 16.\n\n" + by_network(table.rows)
    )


def devices_section(table: Table) -> str:
    """Return what votes on devices and new chips cost."""
    return (
        "## Devices\n\nOne thread, CPU time, medians (quartiles) over rounds in which all "
        "contenders take turns. Making a chip is the time of a tile on a new one less that on one "
        "that is held.\n\n" + by_network(table.rows)
    )


def spread(row: Row | None) -> str:
    """Return a median with its quartiles."""
    if row is None:
        return "-"
    value, low, high = (float(row[key]) for key in ("value", "low", "high"))
    return f"{value:.3g}" if low == high else f"{value:.3g} ({low:.3g} to {high:.3g})"
