"""Load for those who prefer Locust: ``pip install locust``, start the service, then

``locust -f tests/load/locustfile.py --host http://127.0.0.1:8000``

and open the address that it prints. Its users send one request after the other, so that a slow
server slows them down; ``make bench`` sends at set rates instead.
"""

import random

from locust import HttpUser, constant_pacing, task

VOTES = (1, 5, 10, 20, 50)


class Voter(HttpUser):
    """Asks for votes on a random picture, twice a second."""

    wait_time = constant_pacing(0.5)

    @task
    def predict(self) -> None:
        """Post a prediction; what the queue refuses is no failure of the service."""
        votes = random.choice(VOTES)
        body = {
            "inputs": [[[random.random() for _ in range(28)] for _ in range(28)]],
            "votes": votes,
        }
        with self.client.post(
            "/predict", json=body, name=f"/predict, {votes} votes", catch_response=True
        ) as response:
            if response.status_code in {200, 429}:
                response.success()
