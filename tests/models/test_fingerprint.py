"""Fingerprints are formats: those of what is shipped stay, and what counts is a written list."""

from typing import Any

import pytest

from noisevote.models.card import Card
from noisevote.models.checkpoint import WEIGHTS_FILE, Checkpoint, CheckpointStore
from noisevote.models.draws.schemes import FIRST
from noisevote.models.fingerprint import fingerprint_of

FINGERPRINTS = {
    "densenet40-clean": "sfc64x8-icdf4-1:2762234dfb199cf3",
    "densenet40-mult-1.0": "sfc64x8-icdf4-1:83c174d3707edb9b",
    "madry_cnn-adv": "sfc64-icdf16-1:c92fbd8b5de15752",
    "mnist_cnn-add-1.0": "sfc64-icdf16-1:3534d47116a12630",
    "mnist_cnn-adv": "sfc64-icdf16-1:1de22591f039e745",
    "mnist_cnn-adv-mult-0.4": "sfc64-icdf16-1:14076ecee8da706c",
    "mnist_cnn-clean": "sfc64-icdf16-1:8bd132a0868b235e",
    "mnist_cnn-mult-0.6": "sfc64-icdf16-1:bd32342a8a15dabf",
    "mnist_cnn-mult-1.0": "sfc64-icdf16-1:13242b9779c52a84",
    "mnist_cnn-reram-cmo": "sfc64-icdf16-1:9c4650fb6736f2ce",
    "stroke_lstm-256-mult-1.0": "sfc64x8-icdf4-1:ec11ad720524ae3d",
    "stroke_lstm-clean": "sfc64-icdf16-1:c78385c55b314beb",
    "stroke_lstm-mult-1.0": "sfc64-icdf16-1:1923c246b2c72793",
}
"""A new checkpoint is a new line; a line that is there never changes."""


@pytest.fixture
def card(store: CheckpointStore) -> Card:
    return store.find("mnist_cnn-clean").card


def changed(card: Card, field: str, **changes: Any) -> Card:
    """Return a card with another part; the first of several."""
    part = getattr(card, field)
    if isinstance(part, tuple):
        return card.model_copy(update={field: (part[0].model_copy(update=changes), *part[1:])})
    return card.model_copy(update={field: part.model_copy(update=changes)})


def test_each_shipped_checkpoint_has_a_line(store: CheckpointStore) -> None:
    assert store.names() == sorted(FINGERPRINTS)


def test_fingerprints_of_shipped_checkpoints_stay(shipped: Checkpoint) -> None:
    assert shipped.fingerprint == FINGERPRINTS[shipped.name]


def test_strange_numbers_and_names_are_serialised_as_ever(card: Card) -> None:
    strange = changed(card, "noise", sigma_train={"conv1": 1e-7, "fc2": 1e3})
    strange = changed(strange, "noise_points", name='\u00e9"\n', latency=1e16, macs=2**53)
    strange = changed(strange, "inputs", range=(-1e-5, 123456789.125))
    assert fingerprint_of(strange) == "sfc64-icdf16-1:4748d827426afbbf"


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("inputs", {"shape": (1, 28, 27)}),
        ("inputs", {"range": (0.0, 2.0)}),
        ("inputs", {"preprocessing": "mnist_digit-1"}),
        ("inputs", {"name": "ids"}),
        ("inputs", {"dtype": "int64"}),
        ("noise", {"kind": "additive"}),
        ("noise", {"sigma_train": 0.1}),
        ("noise_points", {"name": "conv0"}),
        ("noise_points", {"shape": (32, 28, 27)}),
        ("noise_points", {"macs": 1}),
        ("noise_points", {"latency": 2.0}),
    ],
)
def test_what_stands_on_the_list_counts(card: Card, field: str, changes: dict[str, Any]) -> None:
    assert fingerprint_of(changed(card, field, **changes)) != fingerprint_of(card)


def test_files_that_votes_are_made_of_count_and_others_do_not(card: Card) -> None:
    for file in (WEIGHTS_FILE, *card.graphs.values()):
        other = card.model_copy(update={"digests": card.digests | {file: "0" * 64}})
        assert fingerprint_of(other) != fingerprint_of(card)
    more = card.model_copy(update={"digests": card.digests | {"device-1.onnx": "0" * 64}})
    assert fingerprint_of(more) == fingerprint_of(card)


def test_what_the_card_says_beside_the_list_does_not_count(card: Card) -> None:
    bare = card.model_copy(
        update={"name": "other", "tile": 1, "evaluations": (), "thresholds": (), "agreements": ()}
    )
    assert fingerprint_of(bare) == fingerprint_of(card)
    measured = changed(card, "noise_points", operator="Conv", rms=1.0)
    assert fingerprint_of(measured) == fingerprint_of(card)


def test_fingerprint_begins_with_the_noise_scheme(card: Card) -> None:
    assert fingerprint_of(card).startswith(f"{FIRST.id}:")
