"""What the images promise: no root, a health check, no torch where it serves, nothing too much."""

import pytest

from tests.docker.dockerfile import ROOT, command, context, last, lineage, stages

IMAGES = ("service", "attack", "training")
SERVING = ("service", "attack")


def test_the_stages_are_the_images_and_what_they_are_built_in() -> None:
    built = {f"build-{image}" for image in IMAGES}
    assert set(stages()) == {"compiler", "source", "base", *built, *IMAGES}
    assert list(stages())[-1] == "service", "a build without a target makes the last stage"


@pytest.mark.parametrize("image", IMAGES)
def test_no_image_runs_as_root(image: str) -> None:
    user, _, group = last(image, "USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0
    steps = [instruction for instruction, _ in lineage(image)]
    assert steps.index("USER") > max(i for i, step in enumerate(steps) if step in {"RUN", "COPY"})


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_holds_the_environment_that_its_own_stage_built(image: str) -> None:
    copied = [text for name, text in lineage(image) if name == "COPY"]
    assert copied == [f"--from=build-{image} /opt/noisevote /opt/noisevote"]


@pytest.mark.parametrize("image", SERVING)
def test_serving_images_are_healthy_when_the_service_is_ready(image: str) -> None:
    asked = command(image, "HEALTHCHECK")
    assert "http://127.0.0.1:8000/health/ready" in asked[-1]
    assert command(image, "CMD")[-1] == "8000"
    assert last(image, "EXPOSE") == "8000"


def test_the_service_image_asks_for_no_extra() -> None:
    (dependencies, package) = stages()["build-service"].texts("RUN")
    assert dependencies.endswith("--constraint constraints.txt .")
    assert package.endswith("install --no-deps --force-reinstall .")


@pytest.mark.parametrize(("image", "extra"), [("attack", "attack"), ("training", "train")])
def test_the_other_images_ask_for_theirs(image: str, extra: str) -> None:
    assert stages()[f"build-{image}"].texts("RUN")[0].endswith(f'".[{extra}]"')


def test_the_build_sees_what_is_packaged_and_nothing_else() -> None:
    files = set(context())
    assert "models/checkpoints/mnist_cnn-mult-1.0/weights.safetensors" in files
    assert "service/main.py" in files
    tops = {file.split("/")[0] for file in files}
    packages = {"models", "noisevote", "service", "training"}
    assert tops == packages | {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    assert not any(file.startswith("training/results/") for file in files)
    copied = {word for _, text in lineage("build-service") for word in text.split()}
    assert {top for top in tops if (ROOT / top).exists()} <= copied
