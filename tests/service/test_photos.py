"""Photographs, voted on by a network that reads them."""

from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest
from PIL import Image

from noisevote.models.data.cifar10 import CLASSES
from noisevote.service.configuration.settings import Settings
from tests.drawing import jpeg_bytes, png_bytes
from tests.photographs import SMALL, export_small_densenet, photographs
from tests.service.support import ask, encoded, refused, serving

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def densenet(
    anyio_backend: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[httpx.AsyncClient]:
    """A service whose only checkpoint is a small DenseNet."""
    folder = tmp_path_factory.mktemp("checkpoints")
    export_small_densenet(folder)
    settings = Settings(checkpoints=folder, default_checkpoint=SMALL.name, slots=1)
    async with serving(settings) as (_, client):
        yield client


def photograph(side: int = 32) -> Image.Image:
    pixels = photographs(1, seed=5)[0][0].transpose(1, 2, 0)
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST)


async def test_picture_of_the_data_sets_size_is_voted_on_by_class_name(
    densenet: httpx.AsyncClient,
) -> None:
    reply = await ask(densenet, image=encoded(png_bytes(photograph())), votes=30, seed=1)
    (prediction,) = reply["predictions"]
    assert prediction["label"] == CLASSES[prediction["mode"]]
    assert sum(prediction["vote_counts"]) == 30
    assert reply["noise"]["sigma"] == SMALL.hardening.sigma_train


async def test_picture_and_its_array_get_the_same_votes(densenet: httpx.AsyncClient) -> None:
    array = np.asarray(photograph(), np.float64).transpose(2, 0, 1) / 255
    from_array = await ask(densenet, inputs=[array.tolist()], votes=30, seed=2)
    from_picture = await ask(densenet, image=encoded(png_bytes(photograph())), votes=30, seed=2)
    assert from_array["predictions"] == from_picture["predictions"]


async def test_large_grey_jpeg_is_voted_on(densenet: httpx.AsyncClient) -> None:
    jpeg = encoded(jpeg_bytes(photograph(600).convert("L")))
    reply = await ask(densenet, image=jpeg, votes=5)
    assert reply["predictions"][0]["label"] in CLASSES


async def test_noise_points_can_be_set_one_by_one(densenet: httpx.AsyncClient) -> None:
    image = encoded(png_bytes(photograph()))
    reply = await ask(densenet, image=image, sigma={"block2.conv1": 0.5, "fc": 1.0}, votes=5)
    assert reply["noise"]["sigma"]["block2.conv1"] == 0.5
    assert reply["noise"]["sigma"]["conv1"] == 0.0
    error = await refused(densenet, 422, "invalid_input", image=image, sigma={"conv9": 0.5})
    assert "transition1" in error["message"]


async def test_array_of_another_shape_is_refused(densenet: httpx.AsyncClient) -> None:
    error = await refused(densenet, 422, "invalid_input", inputs=[np.zeros((32, 32)).tolist()])
    assert "3" in error["message"]
