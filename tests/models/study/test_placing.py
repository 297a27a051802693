"""A device under a network: on what can lie on an array, and requests that ask for just that."""

import pytest

from noisevote.models.card import Card
from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.setting import profiles_at
from noisevote.models.errors import InputError
from noisevote.models.study.placing import device_of_request, placed

CARD = CheckpointStore(SHIPPED).find("mnist_cnn-mult-1.0").card
HERMES = DeviceStore().find("pcm-hermes-2t")


def without_last() -> Card:
    """The card of a network whose last layer can lie on no array."""
    assert CARD.devices is not None
    arrays = {name: of for name, of in CARD.devices.arrays.items() if name != "fc2"}
    devices = CARD.devices.model_copy(update={"arrays": arrays, "without": {"fc2": "it is so"}})
    return CARD.model_copy(update={"devices": devices})


def test_layers_that_lie_on_no_array_stay_digital_in_study_and_request() -> None:
    card = without_last()
    assert placed(HERMES, card) == {**dict.fromkeys(card.point_names, HERMES), "fc2": None}
    asked = device_of_request("pcm-hermes-2t", card)
    assert profiles_at(dict.fromkeys(asked, HERMES), card) == placed(HERMES, card)


def test_where_all_layers_can_lie_on_it_the_name_is_enough() -> None:
    assert device_of_request("pcm-hermes-2t", CARD) == "pcm-hermes-2t"
    assert placed(HERMES, CARD, "fc1") == {**dict.fromkeys(CARD.point_names), "fc1": HERMES}


def test_a_network_without_arrays_is_refused_with_the_command_that_makes_them() -> None:
    with pytest.raises(InputError, match="fit-devices"):
        placed(HERMES, CARD.model_copy(update={"devices": None}))
