"""The registered recipes, by name."""

from dataclasses import replace

from models.errors import TrainingError
from models.networks.quantisers import Quantisation
from models.noise import NoiseKind
from training.recipes.recipe import Adversary, Hardening, Recipe, Schedule, Stage, Variance

PGD = Adversary(epsilon=0.3, step_size=0.15, steps=4, ramp=0.3)
"""For digits in 0..1. A single step of 1.25 epsilon (arXiv 2001.03994) costs a third, but
`mnist_cnn` soon learns to deceive it: it stands that step and falls to ten small ones."""

PGD_WIDE = Adversary(epsilon=0.38, step_size=0.13, steps=5)
"""Wider than what is defended against, 0.3: examples of another adversarially trained network turn
more of the images of one that was trained with the narrow one alone."""

FGSM_CIFAR = Adversary(epsilon=8 / 255, step_size=10 / 255)
"""One step from a random start, a quarter longer than the radius (E. Wong et al., arXiv 2001.03994,
section 5.2); for pictures in 0..1. The paper's epsilon is lost, and this is the usual one."""

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

TUNING = replace(
    DENSENET_SCHEDULE, epochs=2, learning_rate=1e-3, curve="linear", stages=(Stage(16, 0.7),)
)
"""For a trained network that gets used to few levels."""

CLEAN = Hardening()
MULT = Hardening(sigma_train=1.0, loss="marginal", output_draws=16)
RISING = replace(MULT, ramp=0.25)
ADD = replace(MULT, kind=NoiseKind.ADDITIVE)
QUANTISED_UNDER = {"clean": CLEAN, "mult-1.0": MULT, "add-1.0": ADD}


def densenet(
    name: str,
    hardening: Hardening,
    schedule: Schedule,
    warm_start: str | None = None,
    max_shift: int = 0,
) -> Recipe:
    """Return the recipe of a DenseNet, whose name its own begins with.

    Args:
        name: of the recipe.
        hardening: how the noise enters.
        schedule: how the weights are learned.
        warm_start: checkpoint or run that it goes on from.
        max_shift: of the pictures, which are then also flipped.
    """
    return Recipe(
        name,
        name.partition("-")[0],
        "cifar10",
        hardening,
        schedule,
        validation_images=2000,
        warm_start=warm_start,
        max_shift=max_shift,
        flips=max_shift > 0,
        padding="reflect" if max_shift else "zeros",
    )


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "mnist_cnn-clean",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(),
            schedule=Schedule(epochs=10),
        ),
        Recipe(
            "mnist_cnn-mult-1.0-marginal",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=24, learning_rate=1e-2),
        ),
        Recipe(
            "mnist_cnn-mult-1.0",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(sigma_train=1.0, loss="vote", loss_power=1.0),
            schedule=Schedule(epochs=10, learning_rate=5e-3, precision="auto"),
            warm_start="run:mnist_cnn-mult-1.0-marginal",
        ),
        Recipe(
            "mnist_cnn-mult-1.0-repeats",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(sigma_train=AFTER_REPEATS, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=6, learning_rate=1e-2, precision="auto"),
        ),
        Recipe(
            "mnist_cnn-mult-0.6",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(sigma_train=0.6, loss="vote", loss_power=1.0),
            schedule=Schedule(epochs=8, learning_rate=5e-3, precision="auto"),
            warm_start="run:mnist_cnn-mult-grid-0.6",
        ),
        Recipe(
            "mnist_cnn-add-1.0",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(
                NoiseKind.ADDITIVE, sigma_train=1.0, loss="marginal", output_draws=16
            ),
            schedule=Schedule(epochs=10, learning_rate=1e-2, precision="auto"),
        ),
        Recipe(
            "mnist_cnn-mult-grid",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=6, learning_rate=1e-2, precision="auto"),
        ),
        Recipe(
            "mnist_cnn-add-grid",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(
                NoiseKind.ADDITIVE, sigma_train=1.0, loss="marginal", output_draws=16
            ),
            schedule=Schedule(epochs=6, learning_rate=1e-2, precision="auto"),
        ),
        Recipe(
            "mnist_cnn-mult-1.0-averaged",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=24, learning_rate=1e-2, precision="auto", averaging=0.999),
        ),
        Recipe(
            "mnist_cnn-adv-0.3",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(),
            schedule=Schedule(epochs=20, learning_rate=5e-3, precision="auto"),
            adversary=PGD,
        ),
        Recipe(
            "mnist_cnn-adv",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(),
            schedule=Schedule(epochs=4, learning_rate=2e-3, precision="auto"),
            warm_start="run:mnist_cnn-adv-0.3",
            adversary=PGD_WIDE,
        ),
        Recipe(
            "mnist_cnn-adv-mult-0.4",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(sigma_train=0.4, loss="marginal", output_draws=16, ramp=0.2),
            schedule=Schedule(epochs=4, learning_rate=2e-3, precision="auto"),
            warm_start="run:mnist_cnn-adv-0.3",
            adversary=PGD_WIDE,
        ),
        Recipe(
            "madry_cnn-adv",
            network="madry_cnn",
            dataset="mnist",
            hardening=Hardening(),
            schedule=Schedule(epochs=12, learning_rate=1e-3, precision="auto"),
            adversary=PGD,
        ),
        Recipe(
            "mnist_cnn-variance-aware-1.0",
            network="mnist_cnn",
            dataset="mnist",
            hardening=Hardening(
                sigma_train=1.0,
                loss="marginal",
                output_draws=16,
                ramp=0.2,
                variance=Variance(alpha=0.45, theta=0.5, distribution="half_normal"),
            ),
            schedule=Schedule(epochs=10, learning_rate=1e-2, precision="auto"),
        ),
        *(
            Recipe(
                f"mnist_cnn-qat{bits}-{scale}-{noise}",
                network="mnist_cnn",
                dataset="mnist",
                hardening=hardening,
                schedule=Schedule(epochs=3, learning_rate=5e-3),
                quantisation=Quantisation(bits, scale, CONSTANT_SCALES[bits]),
            )
            for bits in (4, 8)
            for scale in ("learned", "constant")
            for noise, hardening in QUANTISED_UNDER.items()
        ),
        Recipe(
            "stroke_lstm-clean",
            network="stroke_lstm",
            dataset="mnist_strokes",
            hardening=Hardening(),
            schedule=Schedule(epochs=15, learning_rate=5e-3, clip_norm=1.0),
        ),
        Recipe(
            "stroke_lstm-mult-1.0",
            network="stroke_lstm",
            dataset="mnist_strokes",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=24, learning_rate=5e-3, clip_norm=1.0),
        ),
        Recipe(
            "stroke_lstm-mult-1.0-vote",
            network="stroke_lstm",
            dataset="mnist_strokes",
            hardening=Hardening(sigma_train=1.0, loss="vote", loss_power=1.0),
            schedule=Schedule(epochs=10, learning_rate=3e-3, clip_norm=1.0),
            warm_start="run:stroke_lstm-mult-1.0",
        ),
        Recipe(
            "stroke_lstm-mult-grid",
            network="stroke_lstm",
            dataset="mnist_strokes",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=6, learning_rate=5e-3, clip_norm=1.0),
        ),
        Recipe(
            "stroke_lstm-256-mult-1.0",
            network="stroke_lstm",
            dataset="mnist_strokes",
            hardening=Hardening(sigma_train=1.0, loss="marginal", output_draws=16),
            schedule=Schedule(epochs=20, learning_rate=3e-3, clip_norm=1.0),
            options={"units": 256},
        ),
        densenet("densenet40-clean", CLEAN, PROGRESSIVE, max_shift=2),
        densenet("densenet40-mult-1.0", RISING, HARDENING, "densenet40-clean", 2),
        densenet("densenet40-mult-grid", MULT, replace(HARDENING, epochs=1), "densenet40-clean", 2),
        *(
            replace(
                densenet(f"{network}-adv", CLEAN, replace(PROGRESSIVE, epochs=epochs), max_shift=2),
                adversary=FGSM_CIFAR,
            )
            for network, epochs in (("densenet40", 8), ("densenet100", 6))
        ),
        *(
            replace(
                densenet(f"densenet40-qat8-{scale}-clean", CLEAN, TUNING, "densenet40-clean", 2),
                quantisation=Quantisation(8, scale, CONSTANT_SCALES[8]),
            )
            for scale in ("learned", "constant")
        ),
        densenet("densenet40-add-1.0", ADD, replace(PROGRESSIVE, epochs=8), max_shift=2),
    )
}


def find_recipe(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        TrainingError: there is none.
    """
    if name not in RECIPES:
        raise TrainingError(f"there is no recipe {name!r}; known are: {', '.join(RECIPES)}")
    return RECIPES[name]
