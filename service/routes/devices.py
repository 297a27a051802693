"""``GET /devices`` and ``GET /devices/{name}``."""

from fastapi import APIRouter

from noisevote.models.errors import UnknownDeviceError
from noisevote.service.service import ServiceDep
from noisevote.service.wire.devices import DeviceList, ServedDevice, summary_of
from noisevote.service.wire.errors import responses_for

router = APIRouter(tags=["devices"])


@router.get("/devices", responses=responses_for())
async def list_devices(service: ServiceDep) -> DeviceList:
    """List the analog devices that votes can be cast on, and those refused with the reason."""
    store = service.predictor.devices
    return DeviceList(
        devices=[summary_of(store.find(name)) for name in store.names()], refused=store.refused
    )


@router.get("/devices/{name}", responses=responses_for(UnknownDeviceError))
async def show_device(name: str, service: ServiceDep) -> ServedDevice:
    """Return a device's profile, as data and as its file stands, and what it does."""
    store = service.predictor.devices
    profile = store.find(name)
    return ServedDevice(
        **dict(summary_of(profile)),
        description=profile.description,
        profile=profile,
        toml=store.text(name),
    )
