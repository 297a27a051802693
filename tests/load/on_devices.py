"""What a vote on a device costs beside a plain noisy vote, and what a new chip costs."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

from noisevote.models.checkpoint import Checkpoint
from noisevote.models.devices.noise import device_noise
from noisevote.models.devices.presets import DeviceStore
from noisevote.models.devices.runtime import DeviceRuntimes
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
    runtimes = DeviceRuntimes(most_bytes=1)  # holds one chip alone, so that others are new
    for name in DEVICES:
        runtime = DeviceRuntimes().of(checkpoint)
        votes = votes_on(bench, name, 0)
        contenders[name] = lambda runtime=runtime, votes=votes: runtime.outputs(votes)  # type: ignore[misc]
        if votes.noises[0].parts:
            chips = count(1)
            contenders[NEW_CHIP + name] = lambda name=name, chips=chips: runtimes.of(  # type: ignore[misc]
                checkpoint
            ).outputs(votes_on(bench, name, next(chips)))
    times = race(contenders, seconds)
    for name in DEVICES:
        measure = f"vote on {name} / plain noisy vote"
        yield ratio_row(checkpoint.name, measure, times, name, "plain", 1.0)
    for name in DEVICES:
        made = [
            max(0.0, new - held)
            for new, held in zip(times[NEW_CHIP + name], times[name], strict=True)
        ]
        own = {**times, "made": made}
        measure = f"making a chip of {name} / tile of {VOTES} plain votes"
        yield ratio_row(checkpoint.name, measure, own, "made", "plain", 1.0)


def votes_on(bench: Bench, name: str, chip: int) -> Rows:
    """Return votes on one image, on a chip of a device."""
    card = bench.checkpoint.card
    at = profiles_at(DeviceStore().find(name), card)
    noise = device_noise(DeviceSetting(at, chips=(chip,), votes=VOTES), card)
    rows = bench.rows(1, VOTES)
    sigma = noise.sigma[None, :].repeat(VOTES, axis=0)
    return replace(rows, sigma=sigma, noises=[noise] * VOTES)
