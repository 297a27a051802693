"""The service image without Docker: its steps in an empty environment, then its commands."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.docker.dockerfile import Replay, command
from tests.docker.ports import free_port
from tests.service.support import picture

pytestmark = pytest.mark.slow

READY_WITHIN_S = 300.0


def on_port(words: list[str], port: int) -> list[str]:
    """Return a command of the image, listening or asking on another port."""
    return [word.replace("8000", str(port)) for word in words]


@contextmanager
def running(image: Replay, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the image's CMD; ask with its HEALTHCHECK until it is healthy."""
    asked = on_port(command("service", "HEALTHCHECK"), port)
    words = on_port(command("service", "CMD"), port)
    with subprocess.Popen(words, cwd=image.directory, env=image.environment) as process:
        try:
            began = time.monotonic()
            while subprocess.run(asked, env=image.environment, capture_output=True).returncode:
                assert process.poll() is None, "the service has ended"
                assert time.monotonic() - began < READY_WITHIN_S
            yield process
        finally:
            process.kill()


def contents(root: Path) -> dict[str, int]:
    """Return every file under a folder and when it was last written."""
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_steps_of_the_service_image_make_a_service_that_answers(tmp_path: Path) -> None:
    image = Replay(tmp_path / "image")
    image.perform("build-service")
    prefix = Path(image.environment["VIRTUAL_ENV"])
    installed = {path.name.partition("-")[0] for path in prefix.rglob("*.dist-info")}
    assert {"noisevote", "fastapi", "onnxruntime"} <= installed
    assert not {"torch", "onnx", "pip"} & installed
    assert bool(list(prefix.rglob("_noise_fill*.so"))) == (shutil.which("cc") is not None)

    image.environment |= {"PATH": f"{prefix}/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    image.directory = tmp_path / "image" / "var"  # not where the source lies
    image.directory.mkdir()
    before = contents(image.root)
    port = free_port()
    with running(image, port) as process, httpx.Client(timeout=60) as client:
        service = f"http://127.0.0.1:{port}"
        reply = client.post(f"{service}/predict", json={"image": picture(7), "sigma": 0})
        assert reply.json()["predictions"][0]["label"] == "7"
        for part in ("/", "/static/page.js", "/docs", "/docs/swagger-ui-bundle.js"):
            assert client.get(f"{service}{part}").status_code == 200, part
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    assert contents(image.root) == before, "the file system of the container is read-only"
