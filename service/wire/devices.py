"""The bodies of ``/devices``: which analog devices there are, and what they do."""

from noisevote.models.devices.parts import TileCost
from noisevote.models.devices.profile import Effect, Profile, ShownProfile
from noisevote.service.wire.reply import Reply


class DeviceSummary(Reply):
    """One device in the list."""

    name: str
    """Name of the device, for `device` of a request."""
    source: str
    """Where its numbers come from."""
    digest: str
    """Digest of what decides votes; name, source, description, ages, costs and measurements do
    not."""
    effects: tuple[Effect, ...]
    """What it does: `read`: noise fresh in every read; `columns`: gain and offset; `converters`:
    DAC or ADC; `frozen`: errors that differ by chip and stay; `ages`, `temperature`: something
    depends on it."""
    ages_s: tuple[float, float]
    """Smallest and largest age for which it is known, in seconds; the first is the default."""
    cost: TileCost | None
    """What reads cost; null if its source does not tell."""


class DeviceList(Reply):
    """The devices that can be used, and why others cannot."""

    devices: list[DeviceSummary]
    """Devices that can be used."""
    refused: dict[str, str]
    """Why others cannot be used, by name."""


class ServedDevice(DeviceSummary):
    """A device in full."""

    description: str
    """What it is, what of it was tested and what only read."""
    profile: ShownProfile
    """Its profile; a request may hold it, changed or not, as `device`."""
    toml: str
    """The file of the profile as it stands, with units and remarks."""


def summary_of(profile: Profile) -> DeviceSummary:
    """Return what a list says of a device."""
    return DeviceSummary(
        name=profile.name,
        source=profile.source,
        digest=profile.digest,
        effects=profile.effects,
        ages_s=profile.age_range_s,
        cost=profile.cost,
    )
