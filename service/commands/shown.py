"""How ``noisevote predict`` prints a reply for people."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from noisevote.service.wire.replies import Prediction, PredictResponse


def show(file: Path, reply: PredictResponse, labels: Sequence[str]) -> None:
    """Print a reply for people: the mode, its votes as bars, what they mean."""
    console = Console(highlight=False, soft_wrap=True)
    for prediction in reply.predictions:
        console.print(
            f"[bold]{escape(str(file))}: {prediction.label}[/]  {prediction.votes_cast} votes on "
            f"{reply.checkpoint}, {told_noise(reply)}, seed {reply.seed}"
        )
        for label, count in zip(labels, prediction.counts_of(len(labels)), strict=True):
            if count:
                bar = "█" * round(40 * count / prediction.votes_cast)
                console.print(f"  {label:>3} {count:>5} {bar}")
        show_chips(console, reply, prediction, labels)
        if prediction.interval is not None:
            low, high = prediction.interval
            verdict = "the top two may be equally likely" if prediction.abstain else "sure"
            console.print(
                f"  agreement {prediction.agreement:.2f}, one vote falls on the mode with chance "
                f"{low:.2f} to {high:.2f}; {verdict} (p = {prediction.p_value:.2g})"
            )
    if reply.guarantee is not None:
        console.print(
            "  the mode of all votes would be another one with a chance of at most "
            f"{reply.guarantee.delta:g}, for {reply.guarantee.condition}"
        )


def show_chips(
    console: Console, reply: PredictResponse, prediction: Prediction, labels: Sequence[str]
) -> None:
    """Print how the votes of each of several chips fell."""
    if reply.device is None or prediction.per_chip is None:
        return
    for chip, counts in zip(reply.device.chips, prediction.per_chip, strict=True):
        fallen = sorted((-count, index) for index, count in enumerate(counts) if count)
        each = ", ".join(f"{labels[index]}: {-count}" for count, index in fallen)
        console.print(f"  chip {chip}  {escape(each)}")


def told_noise(answer: PredictResponse) -> str:
    """Return under which noise, or on which device, votes were cast, for people."""
    if answer.noise is not None:
        return f"{answer.noise.kind} noise, sigma {answer.noise.sigma}"
    device = answer.device
    if device is None:
        return "no noise"
    chips = f", {told_chips(device.chips)}" if device.chips else ""
    age = f", age {device.age_s:g} s" if isinstance(device.age_s, float) else ""
    return f"device {device.name}{chips}{age}"


def told_chips(chips: Sequence[int]) -> str:
    """Return the numbers of chips for people: ``chip 2``, ``chips 0 to 4``, ``chips 7, 3``."""
    if len(chips) == 1:
        return f"chip {chips[0]}"
    if list(chips) == list(range(chips[0], chips[0] + len(chips))):
        return f"chips {chips[0]} to {chips[-1]}"
    return f"chips {', '.join(map(str, chips))}"
