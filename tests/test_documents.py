"""The documentation names what is there."""

import re
from pathlib import Path

import pytest

from noisevote.service.wire.requests import PredictRequest
from tests.documents import PAGES, with_tables
from tests.programs import ROOT

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "docker" / "README.md", *(ROOT / "docs").glob("*.md"))
)
PREFIXES = ("", "service", "models", "training", "docker")


def text_of(document: str) -> str:
    return (ROOT / document).read_text()


def anchors_of(document: Path) -> set[str]:
    """The anchors that a forge gives to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_module_and_folder_that_a_document_names_is_there(document: str) -> None:
    text = text_of(document)
    named = set(re.findall(r"`([a-z0-9_]+(?:/[a-z0-9_]+)*(?:/|\.py|\.sh))`", text))
    missing = [
        name for name in sorted(named) if not any((ROOT / top / name).exists() for top in PREFIXES)
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_of_a_document_leads_somewhere(document: str) -> None:
    here = (ROOT / document).parent
    for target in re.findall(r"\]\(([^)]+)\)", text_of(document)):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        place = here / path if path else ROOT / document
        assert place.exists(), target
        if anchor:
            assert anchor in anchors_of(place), target


def test_the_readme_stays_short() -> None:
    assert len(text_of("README.md").encode()) <= 7 * 1024


def test_every_page_stands_in_the_readme() -> None:
    readme = text_of("README.md")
    pages = [document for document in DOCUMENTS if document != "README.md"]
    assert [page for page in pages if f"]({page})" not in readme] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_of_a_page_are_those_of_the_code(page: Path) -> None:
    text = page.read_text()
    assert "<!-- table:" in text
    assert with_tables(text) == text, "python -m tests.documents"


def test_every_field_of_a_request_is_explained() -> None:
    text = text_of("docs/http-api.md")
    assert [name for name in PredictRequest.model_fields if f"| `{name}` |" not in text] == []
