"""The card: both versions are read, and a newer evaluation takes the place of an older one."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from noisevote.models.card import Card
from noisevote.models.checkpoint import SHIPPED, Checkpoint
from noisevote.models.draws.schemes import FIRST
from noisevote.models.fingerprint import fingerprint_of
from noisevote.models.measured import Accuracy, DeviceAccuracy, DeviceEvaluation, Evaluation
from noisevote.models.noise import NoiseKind


def evaluation_of(
    sigmas: list[float], split: str = "test", kind: NoiseKind = NoiseKind.ADDITIVE
) -> Evaluation:
    accuracies = tuple(
        Accuracy(
            kind=kind, sigma=sigma, votes=1, correct=9, images=10, accuracy=0.9, interval=(0.5, 1.0)
        )
        for sigma in sigmas
    )
    return Evaluation(
        split=split, seed=0, noise_scheme="scheme", command="c", accuracies=accuracies
    )


def test_evaluation_is_replaced_by_one_that_covers_it() -> None:
    assert evaluation_of([0.0, 1.0]).is_replaced_by(evaluation_of([0.0, 0.5, 1.0]))


def test_evaluation_stays_beside_one_of_other_sigmas_split_or_noise() -> None:
    first = evaluation_of([0.0, 1.0])
    assert not first.is_replaced_by(evaluation_of([0.0, 0.5]))
    assert not first.is_replaced_by(evaluation_of([0.0, 1.0], split="validation"))
    assert not first.is_replaced_by(evaluation_of([0.0, 1.0], kind=NoiseKind.MULTIPLICATIVE))


def on_device(ages_s: list[float], digest: str = "d") -> DeviceEvaluation:
    accuracies = tuple(
        DeviceAccuracy(
            device="lab", digest=digest, age_s=age_s, votes=1, correct=(9,), images=10,
            mean=0.9, worst=0.9, best=0.9,
        )
        for age_s in ages_s
    )  # fmt: skip
    return DeviceEvaluation(
        split="test", seed=0, noise_scheme="s", chip_scheme="c", command="c", accuracies=accuracies
    )


def test_evaluation_on_a_device_is_replaced_by_one_that_covers_it_or_of_a_changed_device() -> None:
    first = on_device([60.0, 3600.0])
    assert first.is_replaced_by(on_device([60.0, 3600.0, 86400.0]))
    assert first.is_replaced_by(on_device([60.0], digest="other"))
    assert not first.is_replaced_by(on_device([60.0, 86400.0]))


def test_sigma_train_by_layer_names_noise_points_of_the_network() -> None:
    data = json.loads(Checkpoint(SHIPPED / "mnist_cnn-mult-1.0").card.model_dump_json())
    data["noise"]["sigma_train"] = {"conv1": 0.5, "fc2": 1.5}
    assert Card.model_validate(data).noise.largest_sigma == 1.5
    data["noise"]["sigma_train"] = {"conv9": 0.5}
    with pytest.raises(ValidationError, match="names conv9; the noise points are conv1, conv2"):
        Card.model_validate(data)


def test_a_card_with_two_margins_for_the_same_request_is_refused() -> None:
    data = json.loads(Checkpoint(SHIPPED / "mnist_cnn-mult-1.0").card.model_dump_json())
    again = data["thresholds"][0] | {"seed": 99}
    data["thresholds"].append(again)
    assert Card.model_validate(data)
    again["margin"] += 1
    with pytest.raises(ValidationError, match="thresholds holds two margins for the same noise"):
        Card.model_validate(data)


def first_version(card: Card) -> dict[str, Any]:
    """Return a card as version 1 had it."""
    data: dict[str, Any] = json.loads(card.model_dump_json(exclude_none=True))
    (tensor,) = data.pop("inputs")
    del data["output"], data["noise_scheme"], tensor["name"], tensor["dtype"]
    data["training"]["devices"] = data["training"].pop("accelerators")
    return data | {"card_version": 1, "input": tensor}


def test_cards_of_both_versions_say_the_same(shipped: Checkpoint) -> None:
    card = shipped.card
    second, first = json.loads(card.model_dump_json()), first_version(card)
    assert Card.read(json.dumps(second).encode()) == card
    read = Card.read(json.dumps(first).encode())
    assert read == card.model_copy(update={"noise_scheme": FIRST.id})
    digest = shipped.fingerprint.rpartition(":")[2]
    assert fingerprint_of(read) == f"{FIRST.id}:{digest}"


def test_a_card_can_name_several_inputs_and_token_ids() -> None:
    data = json.loads(Checkpoint(SHIPPED / "mnist_cnn-clean").card.model_dump_json())
    data["inputs"] = [
        {"name": "ids", "dtype": "int64", "shape": [128], "range": [0, 30521]},
        {"name": "mask", "dtype": "int64", "shape": [128], "range": [0, 1]},
    ]
    card = Card.read(json.dumps(data).encode())
    assert [tensor.name for tensor in card.inputs] == ["ids", "mask"]


@pytest.mark.parametrize("version", [0, 3])
def test_other_versions_are_refused_with_those_that_are_read(version: int) -> None:
    data = json.loads(Checkpoint(SHIPPED / "mnist_cnn-clean").card.model_dump_json())
    with pytest.raises(ValidationError, match=f"got {version}; cards of version 1 and 2 are read"):
        Card.read(json.dumps(data | {"card_version": version}).encode())
