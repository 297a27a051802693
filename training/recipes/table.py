"""The registered recipes, by name."""

from dataclasses import replace
from typing import Any

from noisevote.models.errors import TrainingError
from noisevote.models.networks.quantisers import Quantisation
from noisevote.models.noise import NoiseKind
from noisevote.training.recipes.recipe import (
    Adversary,
    Hardening,
    Recipe,
    Schedule,
    Stage,
    Variance,
)

PGD = Adversary(epsilon=0.3, step_size=0.15, steps=4, ramp=0.3)
"""For digits in 0..1. A single step of 1.25 epsilon (arXiv 2001.03994) costs a third, but
`mnist_cnn` soon learns to deceive it: it stands that step and falls to ten small ones."""

PGD_WIDE = Adversary(epsilon=0.38, step_size=0.13, steps=5)
"""Wider than what is defended against, 0.3: examples of another adversarially trained network turn
more of the images of one that was trained with the narrow one alone."""

ADVERSARY_CIFAR = Adversary(epsilon=8 / 255, step_size=6 / 255, steps=2)
"""Two steps from a random start, for pictures in 0..1. The paper's epsilon is lost, and this is the
usual one. In long trainings a network learns to deceive a single step (E. Wong et al., arXiv
2001.03994, section 5.4)."""

CONSTANT_SCALES = {4: 0.4, 8: 0.025}
"""Constant ceilings of 6 and 6.4, the first value of learned ones."""

AFTER_REPEATS = {
    "conv1": 1.0,
    "conv2": 1.0,
    "conv3": 2**-0.5,
    "conv4": 1.0,
    "fc1": 6**-0.5,
    "fc2": 64**-0.5,
}
"""What is left of sigma 1.0 after the repeats of one pass of 1.41 times the energy."""

DENSENET_SCHEDULE = Schedule(
    epochs=4, batch_size=64, learning_rate=5e-3, weight_decay=1e-2, precision="auto"
)

PROGRESSIVE = Schedule(
    epochs=15,
    batch_size=64,
    learning_rate=0.08,
    weight_decay=1e-2,
    warm_up=0.15,
    precision="auto",
    optimizer="muon",
    momentum=0.6,
    curve="linear",
    stages=(Stage(16, 0.58), Stage(24, 0.26)),
)
"""Of equal steps those with small pictures teach a DenseNet as much and cost a quarter."""

HARDENING = replace(
    PROGRESSIVE, epochs=24, learning_rate=0.04, stages=(Stage(16, 0.7), Stage(24, 0.14))
)
"""For a network that goes on under noise from one that was trained without."""

LONG = replace(
    PROGRESSIVE,
    epochs=60,
    batch_size=512,
    learning_rate=0.12,
    warm_up=0.1,
    stages=(Stage(16, 0.35), Stage(24, 0.2)),
)
"""Minutes on a GPU, where a step of few pictures costs as much as one of many."""

FURTHER = 4
"""Pixels by which pictures are shifted in long trainings, which see each of them many times
(G. Huang et al., arXiv 1608.06993, section 4.1)."""

TUNING = replace(
    DENSENET_SCHEDULE, epochs=2, learning_rate=1e-3, curve="linear", stages=(Stage(16, 0.7),)
)
"""For a trained network that gets used to few levels."""

CLEAN = Hardening()
MULT = Hardening(sigma_train=1.0, loss="marginal", output_draws=16)
RISING = replace(MULT, ramp=0.25)
ADD = replace(MULT, kind=NoiseKind.ADDITIVE)
VOTE = Hardening(sigma_train=1.0, loss="vote", loss_power=1.0)
VARIANCE_AWARE = replace(
    MULT, ramp=0.2, variance=Variance(alpha=0.45, theta=0.5, distribution="half_normal")
)
ON_RERAM = Hardening(device="reram-cmo", age_s=(20.0, 2.6e6), weight_clip=2.5)
"""Its chips spoil a network most of all the presets whose errors are frozen; ages up to a month."""

QUANTISED_UNDER = {"clean": CLEAN, "mult-1.0": MULT, "add-1.0": ADD}


def mnist(name: str, hardening: Hardening, schedule: Schedule, **more: Any) -> Recipe:
    """Return the recipe of a network on MNIST, whose name its own begins with.

    Args:
        name: name of the recipe.
        hardening: how the noise enters.
        schedule: how the weights are learned.
        **more: other fields of the recipe.
    """
    return Recipe(name, network_in(name), "mnist", hardening, schedule, **more)


def strokes(
    name: str,
    hardening: Hardening,
    epochs: int,
    learning_rate: float = 5e-3,
    batch_size: int = 128,
    **more: Any,
) -> Recipe:
    """Return the recipe of a network on pen strokes; see :func:`mnist`."""
    schedule = Schedule(epochs, batch_size, learning_rate=learning_rate, clip_norm=1.0)
    return Recipe(name, network_in(name), "mnist_strokes", hardening, schedule, **more)


def auto(epochs: int, learning_rate: float, **more: Any) -> Schedule:
    """Return a schedule in the precision that the machine is fast in."""
    return Schedule(epochs, learning_rate=learning_rate, precision="auto", **more)


def densenet(name: str, hardening: Hardening, schedule: Schedule, **more: Any) -> Recipe:
    """Return the recipe of a DenseNet on CIFAR-10, on shifted and flipped pictures; see `mnist`."""
    return Recipe(
        name,
        network_in(name),
        "cifar10",
        hardening,
        schedule,
        validation_images=2000,
        flips=True,
        padding="reflect",
        **{"max_shift": 2} | more,
    )


def network_in(name: str) -> str:
    """Return the network that the name of a recipe begins with."""
    return name.partition("-")[0]


ROWS = (
    mnist("mnist_cnn-clean", CLEAN, Schedule(10)),
    mnist("mnist_cnn-mult-1.0-marginal", MULT, Schedule(24, learning_rate=1e-2)),
    mnist("mnist_cnn-mult-1.0", VOTE, auto(10, 5e-3), warm_start="run:mnist_cnn-mult-1.0-marginal"),
    mnist("mnist_cnn-mult-1.0-repeats", replace(MULT, sigma_train=AFTER_REPEATS), auto(6, 1e-2)),
    mnist(
        "mnist_cnn-mult-0.6",
        replace(VOTE, sigma_train=0.6),
        auto(8, 5e-3),
        warm_start="run:mnist_cnn-mult-grid-0.6",
    ),
    mnist("mnist_cnn-add-1.0", ADD, auto(10, 1e-2)),
    mnist("mnist_cnn-mult-grid", MULT, auto(6, 1e-2)),
    mnist("mnist_cnn-add-grid", ADD, auto(6, 1e-2)),
    mnist("mnist_cnn-mult-1.0-averaged", MULT, auto(24, 1e-2, averaging=0.999)),
    mnist("mnist_cnn-adv-0.3", CLEAN, auto(20, 5e-3), adversary=PGD),
    mnist(
        "mnist_cnn-adv",
        CLEAN,
        auto(4, 2e-3),
        warm_start="run:mnist_cnn-adv-0.3",
        adversary=PGD_WIDE,
    ),
    mnist(
        "mnist_cnn-adv-mult-0.4",
        replace(MULT, sigma_train=0.4, ramp=0.2),
        auto(4, 2e-3),
        warm_start="run:mnist_cnn-adv-0.3",
        adversary=PGD_WIDE,
    ),
    mnist(
        "mnist_cnn-reram-cmo",
        ON_RERAM,
        auto(2, 2e-4),
        warm_start="mnist_cnn-clean",
    ),
    mnist("madry_cnn-adv", CLEAN, auto(12, 1e-3), adversary=PGD),
    mnist("mnist_cnn-variance-aware-1.0", VARIANCE_AWARE, auto(10, 1e-2)),
    *(
        mnist(
            f"mnist_cnn-qat{bits}-{scale}-{noise}",
            hardening,
            Schedule(3, learning_rate=5e-3),
            quantisation=Quantisation(bits, scale, CONSTANT_SCALES[bits]),
        )
        for bits in (4, 8)
        for scale in ("learned", "constant")
        for noise, hardening in QUANTISED_UNDER.items()
    ),
    strokes("stroke_lstm-clean", CLEAN, 15),
    strokes("stroke_lstm-mult-1.0", MULT, 24),
    strokes("stroke_lstm-mult-1.0-vote", VOTE, 10, 3e-3, warm_start="run:stroke_lstm-mult-1.0"),
    strokes("stroke_lstm-mult-grid", MULT, 6),
    strokes("stroke_lstm-256-mult-1.0-marginal", MULT, 20, 3e-3, options={"units": 256}),
    strokes(
        "stroke_lstm-256-mult-1.0",
        replace(VOTE, pass_draws=2),
        16,
        2e-3,
        batch_size=256,
        warm_start="run:stroke_lstm-256-mult-1.0-marginal",
        options={"units": 256},
    ),
    densenet("densenet40-clean", CLEAN, replace(LONG, epochs=36), max_shift=FURTHER),
    densenet("densenet40-mult-1.0-marginal", RISING, LONG, max_shift=FURTHER),
    densenet(
        "densenet40-mult-1.0",
        VOTE,
        replace(LONG, epochs=30, learning_rate=0.05, stages=(Stage(24, 0.3),)),
        max_shift=FURTHER,
        warm_start="run:densenet40-mult-1.0-marginal",
    ),
    densenet(
        "densenet40-mult-0.8",
        replace(RISING, sigma_train=0.8),
        HARDENING,
        warm_start="densenet40-clean",
    ),
    densenet(
        "densenet40-mult-grid",
        RISING,
        replace(HARDENING, epochs=16, batch_size=512, learning_rate=0.06),
        max_shift=FURTHER,
        warm_start="densenet40-clean",
    ),
    *(
        densenet(
            f"{network}-adv",
            CLEAN,
            replace(LONG, epochs=epochs),
            max_shift=FURTHER,
            adversary=ADVERSARY_CIFAR,
        )
        for network, epochs in (("densenet40", 12), ("densenet100", 10))
    ),
    *(
        densenet(
            f"densenet40-qat8-{scale}-clean",
            CLEAN,
            TUNING,
            warm_start="densenet40-clean",
            quantisation=Quantisation(8, scale, CONSTANT_SCALES[8]),
        )
        for scale in ("learned", "constant")
    ),
    densenet("densenet40-add-1.0", ADD, replace(PROGRESSIVE, epochs=8)),
)

RECIPES = {recipe.name: recipe for recipe in ROWS}


def find_recipe(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        TrainingError: there is none.
    """
    if name not in RECIPES:
        raise TrainingError(f"there is no recipe {name!r}; known are: {', '.join(RECIPES)}")
    return RECIPES[name]
