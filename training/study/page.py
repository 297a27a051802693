"""A report as one page: no script, nothing beside it; ``page.html.j2`` has its markup."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from markupsafe import Markup

from noisevote.models.report_page import POLICY, STYLE
from noisevote.models.report_templates import environment_in
from noisevote.training.study.section import Section


def page_of(content: Mapping[str, Any], sections: Sequence[Section]) -> str:
    """Return a report as a page.

    Args:
        content: its title, answers, what was not measured, the recommended request, how it was
            made.
        sections: its tables.
    """
    shown = [(section, Markup(section.chart)) for section in sections]
    body = content["recommended"]
    recommended = None if body is None else json.dumps(body, indent=1)
    return template().render(
        report=content,
        sections=shown,
        policy=POLICY,
        style=Markup(STYLE),
        recommended=recommended,
    )


@cache
def template() -> Template:
    """Return the template of the page."""
    return environment_in(Path(__file__).parent).get_template("page.html.j2")
