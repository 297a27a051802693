"""The device of a recipe: its profile, and what a recipe may ask of it."""

from dataclasses import replace

from noisevote.models.devices.options import profile_named
from noisevote.models.devices.profile import Profile
from noisevote.models.errors import TrainingError
from noisevote.training.recipes.recipe import Hardening, ProfileId, Recipe

LOSSES = ("cross_entropy", "marginal")


def with_profile(recipe: Recipe) -> Recipe:
    """Return a recipe that tells which profile its device is; one without a device as it is.

    Raises:
        InputError: there is no such device.
        TrainingError: the profile is not the one that the recipe tells, or it asks for what a
            device does not go with.
    """
    hardening = recipe.hardening
    if hardening.device is None:
        check_alone(hardening)
        return recipe
    profile = profile_named(hardening.device)
    check(recipe, profile)
    found = ProfileId(profile.name, profile.digest)
    if hardening.profile not in {None, found}:
        raise TrainingError(
            f"hardening.device is {hardening.device}, whose profile is now {found.name} "
            f"{found.digest}; the recipe was made for {hardening.profile.name} "
            f"{hardening.profile.digest}"
        )
    return replace(recipe, hardening=replace(hardening, profile=found))


def check_alone(hardening: Hardening) -> None:
    """Refuse what needs a device.

    Raises:
        TrainingError: it is asked for.
    """
    if hardening.age_s is not None or hardening.profile is not None:
        name = "age_s" if hardening.age_s is not None else "profile"
        raise TrainingError(f"hardening.{name} needs a device; set hardening.device, too")


def check(recipe: Recipe, profile: Profile) -> None:
    """Refuse what does not go with a device, and ages for which it is not known.

    Raises:
        TrainingError: it is asked for.
    """
    hardening = recipe.hardening
    sigmas = hardening.sigma_train
    is_noisy = any(sigmas.values()) if isinstance(sigmas, dict) else sigmas > 0
    told = {
        "hardening.sigma_train": is_noisy,
        "hardening.variance": hardening.variance is not None,
        f"hardening.loss {hardening.loss}": hardening.loss not in LOSSES,
        "quantisation": recipe.quantisation is not None,
        "adversary": recipe.adversary is not None,
    }
    if wrong := [name for name, is_given in told.items() if is_given]:
        raise TrainingError(
            f"hardening.device does not go with {', '.join(wrong)}: the device brings its own "
            f"noise and converters; losses are {' and '.join(LOSSES)}"
        )
    if hardening.age_s is None:
        return
    (low, high), (first, last) = hardening.age_s, profile.age_range_s
    if not profile.depends_on_age:
        raise TrainingError(
            f"hardening.age_s is given; nothing of device {profile.name} depends on the age"
        )
    if not first <= low <= high <= last:
        raise TrainingError(
            f"hardening.age_s is [{low:g}, {high:g}]; allowed are [smallest, largest] from "
            f"{first:g} to {last:g} s, for which device {profile.name} is known"
        )
    if low == 0 < high:
        raise TrainingError("hardening.age_s begins at 0, which has no logarithm; begin above it")
