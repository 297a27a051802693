"""Evaluations on a card: a newer one takes the place of the older that it covers."""

import json

import pytest
from pydantic import ValidationError

from models.card import Accuracy, Card, Evaluation
from models.checkpoint import CARD_FILE, SHIPPED
from models.noise import NoiseKind


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


def test_sigma_train_by_layer_names_noise_points_of_the_network() -> None:
    data = json.loads((SHIPPED / "mnist_cnn-mult-1.0" / CARD_FILE).read_text())
    data["noise"]["sigma_train"] = {"conv1": 0.5, "fc2": 1.5}
    assert Card.model_validate(data).noise.largest_sigma == 1.5
    data["noise"]["sigma_train"] = {"conv9": 0.5}
    with pytest.raises(ValidationError, match="names conv9; the noise points are conv1, conv2"):
        Card.model_validate(data)


def test_a_card_with_two_margins_for_the_same_request_is_refused() -> None:
    data = json.loads((SHIPPED / "mnist_cnn-mult-1.0" / CARD_FILE).read_text())
    again = data["thresholds"][0] | {"seed": 99}
    data["thresholds"].append(again)
    assert Card.model_validate(data)
    again["margin"] += 1
    with pytest.raises(ValidationError, match="thresholds holds two margins for the same noise"):
        Card.model_validate(data)
