"""Watch votes, leave once they are sure: ``python examples/stream.py [PICTURE [URL]]``."""

import sys
from base64 import b64encode
from contextlib import closing
from pathlib import Path

from noisevote import Client, PredictRequest, PredictResponse

picture = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/pictures/three.png")
url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8000"
image = b64encode(picture.read_bytes()).decode()

with (
    Client(url) as client,
    closing(client.stream(PredictRequest(image=image, votes=200, seed=7))) as events,
):
    for event in events:
        if isinstance(event, PredictResponse):
            print("all votes are cast")
            break
        low, high = event.intervals[-1]
        print(f"{event.votes_cast:4} votes: {event.label}, its chance in {low:.2f} .. {high:.2f}")
        if event.is_sure[-1]:
            print("sure; the votes left are not computed")
            break
