"""Post a picture, read the votes: ``python examples/predict.py [PICTURE [URL]]``."""

import sys
from base64 import b64encode
from pathlib import Path

from noisevote import Client, PredictRequest

picture = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/pictures/three.png")
url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8000"

with Client(url) as client:
    image = b64encode(picture.read_bytes()).decode()
    reply = client.predict(PredictRequest(image=image, votes=20, seed=7))

(prediction,) = reply.predictions
print(f"{prediction.label}: {prediction.vote_counts}, {prediction.agreement:.0%} agree")
if prediction.abstain:
    print("the top two classes may be equally likely")
