"""The report of a study: one page, the same as JSON, and all options as CSV."""

import csv
import json
from collections.abc import Mapping
from importlib.metadata import version
from io import StringIO
from typing import Any

from noisevote.models.card import Card
from noisevote.models.errors import DataError
from noisevote.models.files import write_whole
from noisevote.models.noise_setting import shown_map
from noisevote.models.study.conclusions import Conclusions
from noisevote.models.study.folders import REPORT_HTML, REPORT_JSON, TABLE
from noisevote.models.study.head import StudyHead
from noisevote.models.study.planner import remarks_on, request_body
from noisevote.models.study.results import Results
from noisevote.models.study.store import StudyStore
from noisevote.training.study.answers import Answers
from noisevote.training.study.figures import Figures
from noisevote.training.study.page import page_of
from noisevote.training.study.section import Section
from noisevote.training.study.sections import sections_of
from noisevote.training.study.unmeasured import not_measured

REPORT_VERSION = 1
OPTION_COLUMNS = (
    "condition", "votes", "stop", "delta", "chips", "repeats",
    "choice_accuracy", "choice_low", "choice_high", "choice_samples",
    "report_accuracy", "report_low", "report_high", "report_samples", "report_runs",
    "mean_votes", "p99_votes", "energy", "unit", "latency_s",
)  # fmt: skip


def write_report(store: StudyStore, card: Card) -> list[str]:
    """Write the report beside the store, and return its answers.

    Raises:
        DataError: the study has not come to its end, or the files cannot be written.
    """
    files = files_of(store, card)
    try:
        for name, text in files.items():
            write_whole(store.folder / name, text.encode())
    except OSError as error:
        raise DataError(f"the report in {store.folder} cannot be written: {error}") from error
    told = json.loads(files[REPORT_JSON])["answers"]
    return [f"{question} {answer}" for question, answer in told.items()]


def files_of(store: StudyStore, card: Card) -> dict[str, str]:
    """Return the files of the report by name.

    Raises:
        DataError: the study has not come to its end.
    """
    conclusions = store.conclusions
    if conclusions is None:
        raise DataError(f"the study in {store.folder} has not come to its end; go on with it")
    results = Results(store)
    content = report_of(store, results, conclusions, card)
    sections = list(sections_of(Figures(results, conclusions, card)))
    return {
        REPORT_JSON: as_json(content, sections),
        REPORT_HTML: page_of(content, sections),
        TABLE: as_csv(conclusions),
    }


def report_of(
    store: StudyStore, results: Results, conclusions: Conclusions, card: Card
) -> dict[str, Any]:
    """Return what the report says beside its tables."""
    head, answers = results.head, Answers(results, conclusions, card)
    best = conclusions.recommended
    chosen = conclusions.weighed(best)
    found = {
        "How much noise?": answers.how_much_noise(),
        "How many votes?": answers.how_many_votes(),
        "At what cost?": answers.at_what_cost(),
    }
    among = answers.among_first()
    return {
        "version": REPORT_VERSION,
        "title": title_of(head),
        "of": {
            "checkpoint": head.checkpoint, "fingerprint": head.fingerprint,
            "kind": None if head.device else head.kind, "device": head.device_name,
            "device_digest": head.device_digest, "temperature_c": head.temperature_c,
            "chips": head.chips, "seeds": head.seeds, "operating": conclusions.operating,
            "report": head.report,
        },
        "answers": found | ({"Among the first?": among} if among else {}),
        "recommended": None if best is None else request_body(head, best, card),
        "remarks": [] if chosen is None else list(remarks_on(chosen, head)),
        "not_measured": list(not_measured(results, conclusions, card)),
        "made": {
            "checkpoint": f"{head.checkpoint}, {head.fingerprint}",
            "device": device_text(head),
            "chosen on": f"{head.choice}, {conclusions.clean_choice.samples:,} samples",
            "reported on": f"{head.report}, {conclusions.clean.samples:,} samples",
            "seeds": f"{head.seeds}, from seed {head.seed}; noise scheme {head.noise_scheme}",
            "budget": f"{head.passes:,} passes",
            "command": "; then ".join(store.commands),
            "machines": "; ".join(store.machines),
            "noisevote": version("noisevote"),
        },
    }  # fmt: skip


def title_of(head: StudyHead) -> str:
    """Return the title of the report."""
    on = f"{head.kind} noise" if head.device is None else head.device.name
    return f"Study of {head.checkpoint}, {on}"


def device_text(head: StudyHead) -> str:
    """Return the device and its condition."""
    if head.device is None:
        return f"none; {head.kind} noise in every layer"
    warm = "" if head.temperature_c is None else f", {head.temperature_c:g} degrees C"
    return f"{head.device.name}, digest {head.device_digest}, {head.chips} chips{warm}"


def as_json(content: Mapping[str, Any], sections: list[Section]) -> str:
    """Return the report as JSON."""
    tables = {
        section.name: {
            "title": section.title, "text": section.text, "rows": section.rows,
            "shown": {"head": section.head, "cells": section.cells},
        }
        for section in sections
    }  # fmt: skip
    return json.dumps({**content, "tables": tables}, indent=1, allow_nan=False) + "\n"


def as_csv(conclusions: Conclusions) -> str:
    """Return all options as CSV."""
    text = StringIO()
    writer = csv.DictWriter(text, OPTION_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for of in conclusions.options:
        option, choice, report = of.option, of.choice, of.report
        writer.writerow(
            {
                "condition": option.condition, "votes": option.votes, "stop": option.stop.value,
                "delta": option.delta, "chips": option.chips,
                "repeats": shown_map(option.repeats),
                "choice_accuracy": round(choice.accuracy, 6),
                "choice_low": round(choice.interval[0], 6),
                "choice_high": round(choice.interval[1], 6),
                "choice_samples": choice.samples,
                **({} if report is None else {
                    "report_accuracy": round(report.accuracy, 6),
                    "report_low": round(report.interval[0], 6),
                    "report_high": round(report.interval[1], 6),
                    "report_samples": report.samples, "report_runs": len(report.runs),
                }),
                "mean_votes": round(choice.mean_votes, 4), "p99_votes": choice.p99_votes,
                "energy": of.costs.energy, "unit": of.costs.unit, "latency_s": of.costs.latency_s,
            }
        )  # fmt: skip
    return text.getvalue()
