"""Where pictures wait to be prepared: for how much there is room, and what that costs."""

import asyncio
import threading
import time

import pytest
from PIL import Image

from noisevote.models.checkpoint import SHIPPED, CheckpointStore
from noisevote.models.errors import InputError, OverloadedError
from noisevote.models.inputs.pipelines import PRESETS
from noisevote.models.inputs.strokes import sequence_from_strokes
from noisevote.models.specs import PictureSpec
from noisevote.service.configuration.settings import Settings
from noisevote.service.prediction.predictor import Predictor
from noisevote.service.prediction.preparation import (
    LARGE_S,
    MOST_WORK_S,
    Took,
    WorkQueue,
    untold,
)
from noisevote.service.prediction.sizes import QUICK_S, work_s_of_picture, work_s_of_strokes
from noisevote.service.wire.requests import PredictRequest
from tests.drawing import jpeg_bytes, png_bytes
from tests.service.gated import one_slot
from tests.service.support import encoded, picture

pytestmark = pytest.mark.anyio


async def test_there_is_room_for_four_seconds_of_work_and_for_any_single_one() -> None:
    queue, gate = WorkQueue("tests"), threading.Event()
    await asyncio.gather(*(queue.run(int, work_s, untold) for work_s in (0.1, 0.2, 0.3)))
    queue.check_room(10 * MOST_WORK_S)  # though 0.1 + 0.2 + 0.3 - 0.1 - 0.2 - 0.3 is above 0
    waiting = [asyncio.create_task(queue.run(gate.wait, work_s, untold)) for work_s in (2.5, 0.5)]
    await asyncio.sleep(0)
    queue.check_room(1.0)
    with pytest.raises(OverloadedError) as refusal:
        queue.check_room(1.1)
    assert refusal.value.retry_after_s == 3.0
    gate.set()
    await asyncio.gather(*waiting)
    queue.check_room(1.1)
    queue.close()


async def test_what_has_left_makes_room_though_it_never_began() -> None:
    queue, gate = WorkQueue("tests"), threading.Event()
    works = [
        asyncio.create_task(queue.run(gate.wait, work_s, untold)) for work_s in (1.0, MOST_WORK_S)
    ]
    await asyncio.sleep(0)
    works[1].cancel()
    await asyncio.gather(works[1], return_exceptions=True)
    queue.check_room(MOST_WORK_S - 1.0)
    gate.set()
    await works[0]
    queue.close()


async def test_a_picture_for_which_there_is_no_room_is_not_charged() -> None:
    charged: list[float] = []

    def charge(work_s: float) -> Took:
        charged.append(work_s)
        return untold

    asked = PredictRequest(image=picture())
    with one_slot() as backend:
        predictor = Predictor(Settings(slots=1), CheckpointStore(SHIPPED), backend)
        first = asyncio.create_task(
            predictor.prepared(asked, MOST_WORK_S, time.monotonic(), charge)
        )
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await predictor.prepared(asked, 1.0, time.monotonic(), charge)
        await first
        predictor.close()
    assert charged == [MOST_WORK_S]


@pytest.mark.parametrize("strokes", [[[]] * 131_000, [[[1, 2]] * 9_000] * 30])
async def test_drawings_that_are_too_large_cost_nothing_and_are_refused_unread(
    strokes: list[list[list[int]]],
) -> None:
    assert work_s_of_strokes(strokes) == 0
    began = time.thread_time()
    with pytest.raises(InputError, match="are allowed"):
        sequence_from_strokes(strokes)
    assert time.thread_time() - began < 0.01


def test_a_pipeline_costs_by_the_pixels_that_it_decodes_and_makes() -> None:
    tiny = encoded(png_bytes(Image.new("L", (9, 9))))
    assert work_s_of_picture(tiny) == 0
    assert work_s_of_picture(tiny, PictureSpec(size=(9, 9))) < QUICK_S
    assert QUICK_S < work_s_of_picture(tiny, PRESETS["imagenet"]) < LARGE_S
    assert work_s_of_picture(tiny, PictureSpec(size=(4096, 4096))) > LARGE_S
    assert work_s_of_picture(tiny, PictureSpec(crop=(4096, 4096))) > LARGE_S
    assert work_s_of_picture(tiny, PictureSpec(shortest_side=4096, crop=(9, 9))) > LARGE_S
    photo = encoded(jpeg_bytes(Image.new("RGB", (2000, 1500))))
    whole, shrunk = work_s_of_picture(photo, PictureSpec(size=(9, 9))), work_s_of_picture(photo)
    assert whole > shrunk + 0.05
