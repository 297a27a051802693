"""Cards are written as a whole, and what others add meanwhile stays."""

import shutil
from pathlib import Path

import pytest

from noisevote.models.card import Card
from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.checkpoint_folders import CARD_FILE
from noisevote.models.errors import ExportError
from noisevote.training.export.card_file import check_writable, update_card, write_card
from tests.disk import files_of_at_most

NAME = "mnist_cnn-mult-1.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / NAME, tmp_path / NAME))


def without(field: str) -> dict[str, object]:
    return {field: ()}


def test_two_that_measured_the_same_checkpoint_both_add_to_its_card(folder: Path) -> None:
    one, other = Checkpoint(folder), Checkpoint(folder)
    update_card(one, lambda card: card.model_copy(update=without("evaluations")))
    update_card(other, lambda card: card.model_copy(update=without("agreements")))
    card = Checkpoint(folder).card
    assert (card.evaluations, card.agreements) == ((), ())
    assert card.thresholds == one.card.thresholds != ()


def test_a_card_that_is_written_unchanged_says_the_same(folder: Path) -> None:
    before = Checkpoint(folder)
    update_card(before, lambda card: card)
    assert Checkpoint(folder).card == before.card
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        path.name for path in (SHIPPED / NAME).iterdir()
    )


def test_a_full_disk_leaves_the_card_as_it_was(folder: Path) -> None:
    before = sorted((path.name, path.read_bytes()) for path in folder.iterdir())
    with files_of_at_most(1000), pytest.raises(ExportError, match=r"cannot be written: File too"):
        update_card(Checkpoint(folder), lambda card: card.model_copy(update={"tile": 4}))
    assert sorted((path.name, path.read_bytes()) for path in folder.iterdir()) == before


def test_what_was_measured_of_a_checkpoint_is_not_written_to_another(folder: Path) -> None:
    measured = Checkpoint(folder)
    other = Checkpoint(SHIPPED / "mnist_cnn-clean").card.model_copy(update={"name": NAME})
    write_card(other, folder)

    def change(card: Card) -> Card:
        raise AssertionError(card)

    with pytest.raises(ExportError, match="another checkpoint than the one that was measured"):
        update_card(measured, change)
    assert Checkpoint(folder).card == other


def test_a_card_that_cannot_be_written_is_found_before_the_measurement(folder: Path) -> None:
    check_writable(folder)
    assert not list(folder.glob(".*"))
    with pytest.raises(ExportError, match="cannot be written"):
        check_writable(folder / CARD_FILE)
