"""A device as an assessment keeps it: whole profiles, so that it stays what it was."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from noisevote.models.card import Card
from noisevote.models.devices.chips import MAX_CHIP
from noisevote.models.devices.parts import MAX_AGE_S, Celsius
from noisevote.models.devices.profile import Profile, ShownProfile
from noisevote.models.devices.setting import (
    DIGITAL,
    DeviceSetting,
    check_condition,
    chips_of,
    profiles_at,
)


class AskedDevice(BaseModel):
    """A device, its chips and their condition, for votes of any number and seed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    profiles: ShownProfile | dict[str, ShownProfile | None]
    """Profile of the device, or profiles by patterns of noise points; null is digital."""
    chip: Annotated[int, Field(ge=0, le=MAX_CHIP)] | Literal["fresh", "none"] = 0
    """Which chip: a number; `fresh`: drawn anew for each request; `none`: without frozen errors."""
    chips: Annotated[int, Field(ge=1)] = 1
    """Chips that cast the votes in turns, from `chip` on."""
    age_s: Annotated[float, Field(ge=0, le=MAX_AGE_S)] | None = None
    """Seconds since the weights were written; null: the smallest for which the device is known."""
    temperature_c: Celsius | None = None
    """Temperature; null: that at which the profile of the device holds."""

    def setting(
        self, card: Card, votes: int, seed: int, repeats: dict[str, int] | None = None
    ) -> DeviceSetting:
        """Return the device as votes are cast on it.

        No more chips cast votes than there are votes.

        Args:
            card: of the checkpoint.
            votes: on an input.
            seed: of the request.
            repeats: reads that are averaged, by noise point.

        Raises:
            InputError: it cannot be put on this checkpoint, or has no such condition.
        """
        setting = DeviceSetting(
            profiles=profiles_at(self.profiles, card),
            chips=chips_of(self.chip, min(self.chips, votes), seed),
            age_s=self.age_s,
            temperature_c=self.temperature_c,
            votes=votes,
            repeats=repeats or {},
        )
        check_condition(setting)
        return setting

    def fields(self, votes: int, has_profiles: bool) -> dict[str, Any]:
        """Return the fields of a request that ask for it.

        Args:
            votes: that the request asks for on each input.
            has_profiles: whether it holds the profiles; else their names.
        """
        fields = {
            "device": self._named(has_profiles),
            "chip": self.chip,
            "chips": min(self.chips, votes),
            "age_s": self.age_s,
            "temperature_c": self.temperature_c,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _named(self, has_profiles: bool) -> str | dict[str, Any]:
        def named(of: Profile | None) -> str | dict[str, Any]:
            if of is None:
                return DIGITAL
            return of.model_dump(mode="json", exclude_defaults=True) if has_profiles else of.name

        if isinstance(self.profiles, Profile):
            return named(self.profiles)
        return {pattern: named(of) for pattern, of in self.profiles.items()}
