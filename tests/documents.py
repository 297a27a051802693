"""Tables of the documentation that are made of the code: ``python -m tests.documents`` writes them.

In a page they stand between ``<!-- table: MODEL MODEL ... -->`` and ``<!-- end -->``.
"""

import re
from pathlib import Path

from pydantic import BaseModel

from noisevote.models.devices import parts
from noisevote.models.devices.curves import Piece
from noisevote.models.devices.profile import Profile
from noisevote.models.specs import PictureSpec
from noisevote.service.wire import devices, replies
from noisevote.service.wire.attack import AttackRequest
from noisevote.service.wire.device import DeviceBody
from tests.allowed import allowed_in
from tests.programs import ROOT

PAGES = tuple(ROOT / "docs" / page for page in ("devices.md", "http-api.md", "operations.md"))
MODELS: dict[str, type[BaseModel]] = {
    **vars(replies),
    **vars(devices),
    "DeviceBody": DeviceBody,
    **vars(parts),
    "Piece": Piece,
    "Profile": Profile,
    "AttackRequest": AttackRequest,
    "PictureSpec": PictureSpec,
}
PLACE = re.compile(r"<!-- table: ([\w ]+) -->\n(.*?)<!-- end -->", re.DOTALL)


def table_of(model: type[BaseModel]) -> str:
    """Return the fields of a model with their meanings; of a device, with what is allowed."""
    rows = [
        [f"`{name}`", " ".join((field.description or "").split()).replace("``", "`")]
        for name, field in model.model_fields.items()
    ]
    head = [f"`{model.__name__}`", "meaning"]
    if model.__module__.startswith(Profile.__module__.rpartition(".")[0]):
        head.append("allowed; default")
        for row, name in zip(rows, model.model_fields, strict=True):
            row.append(allowed_in(model, name).replace("|", "\\|"))
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:], ""])


def with_tables(text: str) -> str:
    """Return a page with its tables as the code has them now."""

    def filled(place: re.Match[str]) -> str:
        names = place.group(1).split()
        tables = "\n".join(table_of(MODELS[name]) for name in names)
        return f"<!-- table: {' '.join(names)} -->\n{tables}<!-- end -->"

    return PLACE.sub(filled, text)


def write(page: Path) -> None:
    """Write the tables of a page anew."""
    page.write_text(with_tables(page.read_text()))


if __name__ == "__main__":
    for page in PAGES:
        write(page)
