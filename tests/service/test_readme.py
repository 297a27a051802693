"""The README's example is the answer that its command gets."""

import json
import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.drawing import draw_digit
from tests.service.support import ask, encoded

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PICTURE = ROOT / "tests" / "pictures" / "three.png"


async def test_answer_in_the_readme_is_the_real_one(client: httpx.AsyncClient) -> None:
    reply = await ask(client, image=encoded(PICTURE.read_bytes()), votes=20, seed=7)
    assert f'"fingerprint": "{reply["fingerprint"]}"' in README
    (prediction,) = reply["predictions"]
    found = re.search(r'"vote_counts": (\[[\d, ]+\])', README)
    assert found is not None
    assert json.loads(found.group(1)) == prediction["vote_counts"]
    assert f'"mode": {prediction["mode"]}' in README


def test_picture_in_the_readme_is_drawn_and_taken_from_no_data_set() -> None:
    assert np.array_equal(np.asarray(Image.open(PICTURE)), np.asarray(draw_digit(3)))
