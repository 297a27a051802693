"""What votes cost on a device: whole tiles are read, whatever part of them a layer fills.

A layer of F inputs and C outputs lies on ``ceil(F / rows) ceil(C / columns)`` tiles, which are read
side by side, once for each of its P evaluations a vote (positions, steps). Its energy is
``P tiles E_tile``, or ``P (F C e_mac + row_tiles C e_adc + column_tiles F e_dac)``; its latency
``P t_tile``.
"""

from collections.abc import Mapping

from noisevote.models.card import Card
from noisevote.models.cost import Hardware
from noisevote.models.device_specs import ArraySpec
from noisevote.models.devices.parts import TileCost
from noisevote.models.devices.profile import Profile


def evaluation_energy_j(profile: Profile, cost: TileCost, array: ArraySpec) -> float | None:
    """Return the energy of one matrix-vector product of a layer; None if the profile is silent."""
    down, across = profile.array.tiles(array)
    if cost.tile_energy_j is not None:
        return down * across * cost.tile_energy_j
    parts = (cost.mac_energy_j, cost.adc_energy_j, cost.dac_energy_j)
    if all(part is None for part in parts):
        return None
    macs = array.fan_in * array.columns
    counts = (macs, down * array.columns, across * array.fan_in)
    return sum(count * (part or 0.0) for count, part in zip(counts, parts, strict=True))


def hardware_of_device(profiles: Mapping[str, Profile | None], card: Card) -> Hardware | None:
    """Return latency in seconds and energy in joules of each noise point's layer.

    Each is that of all evaluations in a vote, divided by the latency of the point, which costs are
    multiplied by.

    Args:
        profiles: of each noise point; what is digital costs nothing here.
        card: of the checkpoint.

    Returns:
        None if a profile does not tell both.
    """
    if card.devices is None:
        return None
    latency: dict[str, float] = {}
    energy: dict[str, float] = {}
    for point in card.noise_points:
        profile, array = profiles.get(point.name), card.devices.arrays.get(point.name)
        if profile is None or array is None:
            latency[point.name] = energy[point.name] = 0.0
            continue
        cost = profile.cost
        joules = None if cost is None else evaluation_energy_j(profile, cost, array)
        if cost is None or cost.tile_latency_s is None or joules is None:
            return None
        share = array.evaluations / point.latency
        latency[point.name] = share * cost.tile_latency_s
        energy[point.name] = share * joules
    return Hardware(latency, energy) if any(energy.values()) else None
