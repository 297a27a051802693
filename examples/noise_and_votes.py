"""Noise, votes and their cost: ``python examples/noise_and_votes.py [PICTURE [URL]]``.

One picture is no accuracy: for that, ``examples/evaluate_folder.sh``.
"""

import sys
from base64 import b64encode
from pathlib import Path

from noisevote import Client, PredictRequest

picture = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/pictures/three.png")
url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8000"
image = b64encode(picture.read_bytes()).decode()

print("sigma  votes  mode  agree  abstains  energy  equal-energy sigma")
with Client(url) as client:
    for sigma in (0.4, 0.7, 1.0):
        for votes in (1, 5, 20):
            request = PredictRequest(
                image=image, sigma=sigma, votes=votes, seed=7, hardware={"energy": 1.0}
            )
            (found,) = client.predict(request).predictions
            cost = found.cost
            print(
                f"{sigma:5}  {votes:5}  {found.label:>4}  {found.agreement:5.0%}  "
                f"{found.abstain!s:>8}  {cost.energy:.3g}  {cost.equal_energy_sigma:.3f}"
            )
