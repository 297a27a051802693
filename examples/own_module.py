"""A torch module that others made: ``python examples/own_module.py FOLDER``.

It stands for your own work, and knows nothing of noisevote: a small ResNet learns coloured shapes
of 32 x 32 pixels, which are drawn here. Its weights are written as ``FOLDER/resnet.pt``, its graph
as ``FOLDER/resnet.onnx``, the pictures that it learnt from as ``FOLDER/learn/LABEL/NUMBER.png``,
and others as ``FOLDER/pictures/LABEL/NUMBER.png``.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

SHAPES = ("bar", "cross", "disc", "ring", "square", "triangle")
LEARN, UNSEEN = 80, 40
"""Pictures a shape."""


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int, wider: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wider, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(wider)
        self.conv2 = nn.Conv2d(wider, wider, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(wider)
        self.shortcut = nn.Sequential()
        if stride > 1 or channels != wider:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, wider, 1, stride, bias=False), nn.BatchNorm2d(wider)
            )

    def forward(self, signal: Tensor) -> Tensor:
        """Return the signal of the next block."""
        inner = torch.relu(self.norm1(self.conv1(signal)))
        return torch.relu(self.norm2(self.conv2(inner)) + self.shortcut(signal))


def resnet() -> nn.Module:
    """The network; ``harden`` calls this."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 1, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        Block(8, 8, 1),
        Block(8, 16, 2),
        Block(16, 32, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, len(SHAPES)),
    )


def drawn(shape: str, generator: np.random.Generator) -> Image.Image:
    """A shape of any colour and size at any place, on ground of another colour."""
    ground, colour = generator.integers(0, 100, 3), generator.integers(130, 256, 3)
    picture = Image.new("RGB", (32, 32), tuple(map(int, ground)))
    pen, ink = ImageDraw.Draw(picture), tuple(map(int, colour))
    r = int(generator.integers(6, 11))
    x, y = (int(place) for place in generator.integers(r, 32 - r, 2))
    box = (x - r, y - r, x + r, y + r)
    if shape == "bar":
        pen.rectangle((x - r, y - 2, x + r, y + 2), fill=ink)
    elif shape == "cross":
        pen.line((x - r, y - r, x + r, y + r), fill=ink, width=3)
        pen.line((x - r, y + r, x + r, y - r), fill=ink, width=3)
    elif shape == "disc":
        pen.ellipse(box, fill=ink)
    elif shape == "ring":
        pen.ellipse(box, outline=ink, width=2)
    elif shape == "square":
        pen.rectangle(box, fill=ink)
    else:
        pen.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=ink)
    grain = generator.normal(0, 12, (32, 32, 3))
    return Image.fromarray((np.asarray(picture) + grain).clip(0, 255).astype(np.uint8))


def as_inputs(pictures: list[Image.Image]) -> Tensor:
    """Pictures as the network takes them: levels 0 to 1, less 0.5, divided by 0.25."""
    levels = np.stack([np.asarray(picture, np.float32) for picture in pictures]) / 255
    return torch.from_numpy((levels.transpose(0, 3, 1, 2) - 0.5) / 0.25)


def main(folder: Path) -> None:
    """Draw, learn, write."""
    generator = np.random.default_rng(1)
    torch.manual_seed(1)
    pictures = [[drawn(shape, generator) for _ in range(LEARN + UNSEEN)] for shape in SHAPES]
    for shape, row in zip(SHAPES, pictures, strict=True):
        for number, picture in enumerate(row):
            of_class = folder / ("learn" if number < LEARN else "pictures") / shape
            of_class.mkdir(parents=True, exist_ok=True)
            picture.save(of_class / f"{number:03}.png")

    inputs = as_inputs([picture for row in pictures for picture in row[:LEARN]])
    labels = torch.arange(len(SHAPES)).repeat_interleave(LEARN)
    network = resnet()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(15):
        for batch in torch.randperm(len(labels)).split(32):
            loss = nn.functional.cross_entropy(network(inputs[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    network.eval()
    others = as_inputs([picture for row in pictures for picture in row[LEARN:]])
    truth = torch.arange(len(SHAPES)).repeat_interleave(UNSEEN)
    with torch.no_grad():
        right = int((network(others).argmax(1) == truth).sum())
    print(f"torch: {right / len(truth):.1%} of {len(truth)} unseen pictures")
    torch.save(network.state_dict(), folder / "resnet.pt")
    torch.onnx.export(
        network, (inputs[:2],), folder / "resnet.onnx", input_names=["pictures"],
        dynamic_shapes=({0: torch.export.Dim("n")},), verbose=False,
    )  # fmt: skip


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
