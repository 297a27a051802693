"""What a vote on a device costs beside a plain noisy vote, and what a new chip costs.

All of it in CPU time of the process, so that what else runs on the machine counts little.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.noise import DeviceNoise, device_noise
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.runtimes import DeviceRuntimes
from noisevote.models.devices.setting import DeviceSetting, profiles_at
from noisevote.models.runtime import Rows
from tests.load.engine import VOTES, Bench, Row, race, ratio_row
from tests.load.inputs import some_inputs

DEVICES = ("pcm-hermes-2t", "reram-wan", "sonos-40nm", "brainscales-2", "pcm-nandakumar")
NEW_CHIP = "new chip, "


def device_rows(checkpoint: Checkpoint, seconds: float) -> Iterator[Row]:
    """Measure one checkpoint, on one thread.

    Args:
        checkpoint: ready for devices.
        seconds: to spend about.
    """
    inputs, source = some_inputs(checkpoint.card, 1)
    print(f"{checkpoint.name}: on {source}")  # noqa: T201 - the progress of a script
    bench = Bench(checkpoint, inputs)
    plain = checkpoint.runtime(checkpoint.card.noise.kind)
    on_one = bench.rows(1, VOTES)
    contenders: dict[str, Callable[[], object]] = {"plain": lambda: plain.outputs(on_one)}
    runtime = DeviceRuntimes().of(checkpoint)
    newcomers = DeviceRuntimes(most_bytes=1).of(checkpoint)  # holds one chip, so others are new
    have_chips = []
    for name in DEVICES:
        noise = noise_of(checkpoint, name)
        votes = votes_on(bench, noise)
        contenders[name] = lambda votes=votes: runtime.outputs(votes)  # type: ignore[misc]
        if noise.setting.differs_by_chip:
            have_chips.append(name)
            chips = count(1)
            contenders[NEW_CHIP + name] = lambda noise=noise, chips=chips: newcomers.outputs(  # type: ignore[misc]
                votes_on(bench, on_chip(noise, next(chips)))
            )
    times = race(contenders, seconds, time.process_time)
    for name in DEVICES:
        measure = f"vote on {name} / plain noisy vote"
        yield ratio_row(checkpoint.name, measure, times, name, "plain", 1.0)
    for name in have_chips:
        made = [
            max(0.0, new - held)
            for new, held in zip(times[NEW_CHIP + name], times[name], strict=True)
        ]
        own = {**times, "made": made}
        measure = f"making a chip of {name} / tile of {VOTES} plain votes"
        yield ratio_row(checkpoint.name, measure, own, "made", "plain", 1.0)


def noise_of(checkpoint: Checkpoint, name: str) -> DeviceNoise:
    """Return the noise of votes on chip 0 of a device."""
    at = profiles_at(DeviceStore().find(name), checkpoint.card)
    return device_noise(DeviceSetting(at, chips=(0,), votes=VOTES), checkpoint.card)


def on_chip(noise: DeviceNoise, chip: int) -> DeviceNoise:
    """Return the same noise on another chip."""
    return replace(
        noise,
        setting=replace(noise.setting, chips=(chip,)),
        places=tuple(replace(place, chip=chip) for place in noise.places),
    )


def votes_on(bench: Bench, noise: DeviceNoise) -> Rows:
    """Return votes on one image."""
    rows = bench.rows(1, VOTES)
    sigma = noise.sigma[None, :].repeat(VOTES, axis=0)
    return replace(rows, sigma=sigma, noises=[noise] * VOTES)
