"""A client is imported without what only a server needs."""

import subprocess
import sys

FACE = """
import sys
from service.client import AsyncClient, Client
from service.client.attacks import Attacks
from service.wire.attack import AttackRequest
from service.wire.requests import PredictRequest
print(*sys.modules)
"""

HEAVY = {
    "PIL", "fastapi", "httpx", "onnxruntime", "prometheus_client", "rich", "scipy", "starlette",
    "tarfile", "torch", "typer", "uvicorn",
}  # fmt: skip


def test_clients_and_requests_need_neither_server_nor_runtime() -> None:
    found = subprocess.run([sys.executable, "-c", FACE], capture_output=True, text=True, check=True)
    assert HEAVY & set(found.stdout.split()) == set()
