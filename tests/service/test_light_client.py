"""A client is imported without what only a server needs."""

import subprocess
import sys

FACE = """
import sys
from noisevote.service.client import AsyncClient, Client
from noisevote.service.client.attacks import Attacks
from noisevote.service.wire.attack import AttackRequest
from noisevote.service.wire.requests import PredictRequest
print(*sys.modules)
"""

HEAVY = {
    "PIL", "fastapi", "httpx", "onnxruntime", "prometheus_client", "rich", "scipy", "starlette",
    "tarfile", "torch", "typer", "uvicorn",
}  # fmt: skip


def test_clients_and_requests_need_neither_server_nor_runtime() -> None:
    found = subprocess.run([sys.executable, "-c", FACE], capture_output=True, text=True, check=True)
    assert HEAVY & set(found.stdout.split()) == set()
