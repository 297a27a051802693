"""Costs of votes on devices, by tiles that are read."""

import pytest

from noisevote.models.checkpoint import CheckpointStore
from noisevote.models.cost import cost_of
from noisevote.models.devices.cost import hardware_of_device
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.setting import profiles_at
from tests.models.devices.oracle import device

HERMES = DeviceStore().find("pcm-hermes-2t")


def test_a_vote_costs_whole_tiles(store: CheckpointStore) -> None:
    card = store.find("mnist_cnn-clean").card
    assert card.devices is not None
    tiles = [HERMES.array.tiles(array) for array in card.devices.arrays.values()]
    assert sum(down * across for down, across in tiles) == 22
    hardware = hardware_of_device(profiles_at(HERMES, card), card)
    assert hardware is not None
    one, two = (cost_of(votes, card.noise_points, hardware, {}) for votes in (1, 2))
    assert one.energy == pytest.approx(44.94e-6, rel=1e-3)
    assert one.sequential_latency == pytest.approx(260.8e-6, rel=1e-3)
    between_votes = two.pipelined_latency - one.pipelined_latency
    assert between_votes == pytest.approx(104.2e-6, rel=1e-3)


def test_energies_of_parts_are_summed_where_tiles_have_none(store: CheckpointStore) -> None:
    card = store.find("mnist_cnn-clean").card
    cost = {
        "tile_latency_s": 1e-6, "mac_energy_j": 1.0, "adc_energy_j": 1e3, "dac_energy_j": 1e6,
    }  # fmt: skip
    profile = device(cost=cost, array={"rows": 1000, "columns": 100})
    at = profiles_at({"fc1": profile}, card)
    hardware = hardware_of_device(at, card)
    assert hardware is not None
    # 3136 inputs on 4 tiles, 256 outputs on 3
    assert hardware.energy["fc1"] == 3136 * 256 + 4 * 256 * 1e3 + 3 * 3136 * 1e6
    assert hardware.energy["fc2"] == hardware.latency["fc2"] == 0


def test_a_profile_that_tells_no_energy_gives_no_costs(store: CheckpointStore) -> None:
    card = store.find("mnist_cnn-clean").card
    profile = device(cost={"tile_latency_s": 1e-6})
    assert hardware_of_device(profiles_at(profile, card), card) is None
