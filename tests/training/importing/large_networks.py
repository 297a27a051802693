"""Architectures for pictures of 224 x 224 and for texts, with random weights."""

import torch
from torch import Tensor, nn

from tests.training.importing.torch_networks import Block, Patches, seeded

CLASSES = 1000
WORDS = 1000


class Basic(nn.Module):
    """Two convolutions and a shortcut.

    Source: K. He et al., arXiv 1512.03385.
    """

    def __init__(self, less: int, more: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(less, more, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(more, more, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(more), nn.BatchNorm2d(more)
        self.short: nn.Module = nn.Identity()
        if stride > 1:
            self.short = nn.Sequential(
                nn.Conv2d(less, more, 1, stride, bias=False), nn.BatchNorm2d(more)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(inner + self.short(x))


def resnet18_of() -> nn.Module:
    stages: list[nn.Module] = []
    for less, more in ((64, 64), (64, 128), (128, 256), (256, 512)):
        stages += [Basic(less, more, 1 if less == more else 2), Basic(more, more, 1)]
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.MaxPool2d(3, 2, 1), *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(512, CLASSES),
    )  # fmt: skip


class Inverted(nn.Module):
    """Expand, depthwise, squeeze-excite, project.

    Source: A. Howard et al., arXiv 1905.02244.
    """

    def __init__(self, less: int, size: int, wide: int, more: int, squeezes: bool, bend: nn.Module,
                 stride: int) -> None:  # fmt: skip
        super().__init__()
        parts: list[nn.Module] = []
        if wide != less:
            parts += [nn.Conv2d(less, wide, 1, bias=False), nn.BatchNorm2d(wide), bend]
        parts += [
            nn.Conv2d(wide, wide, size, stride, size // 2, groups=wide, bias=False),
            nn.BatchNorm2d(wide), bend,
        ]  # fmt: skip
        if squeezes:
            parts.append(Excite(wide))
        parts += [nn.Conv2d(wide, more, 1, bias=False), nn.BatchNorm2d(more)]
        self.parts, self.adds = nn.Sequential(*parts), stride == 1 and less == more

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.parts(x)
        return x + made if self.adds else made


class Excite(nn.Module):
    """Squeeze-excite to a quarter of the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        less = max(8, channels // 32 * 8)
        self.less, self.more = nn.Conv2d(channels, less, 1), nn.Conv2d(less, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * nn.functional.hardsigmoid(self.more(torch.relu(self.less(means))))


SMALL = (
    (16, 3, 16, 16, True, False, 2), (16, 3, 72, 24, False, False, 2),
    (24, 3, 88, 24, False, False, 1), (24, 5, 96, 40, True, True, 2),
    (40, 5, 240, 40, True, True, 1), (40, 5, 240, 40, True, True, 1),
    (40, 5, 120, 48, True, True, 1), (48, 5, 144, 48, True, True, 1),
    (48, 5, 288, 96, True, True, 2), (96, 5, 576, 96, True, True, 1),
    (96, 5, 576, 96, True, True, 1),
)  # fmt: skip
"""Channels, size of the filter, expanded channels, channels, squeezes, hard swish, stride."""


def mobilenet_of() -> nn.Module:
    blocks = [
        Inverted(less, size, wide, more, squeezes, nn.Hardswish() if swish else nn.ReLU(), stride)
        for less, size, wide, more, squeezes, swish, stride in SMALL
    ]
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish(), *blocks,
        nn.Conv2d(96, 576, 1, bias=False), nn.BatchNorm2d(576), nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(576, 1024), nn.Hardswish(),
        nn.Linear(1024, CLASSES),
    )  # fmt: skip


class Texts(nn.Module):
    """Token ids ``[n, tokens]``, and layers of a transformer (a small BERT)."""

    def __init__(self, width: int, tokens: int, blocks: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(WORDS, width)
        self.places = nn.Parameter(torch.randn(1, tokens, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 2)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids) + self.places
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])  # type: ignore[no-any-return]


resnet18 = seeded(resnet18_of)
mobilenet_v3_small = seeded(mobilenet_of)
vit_tiny = seeded(lambda: Patches(width=192, side=224, patch=16, blocks=12, classes=CLASSES))
vit_narrow = seeded(lambda: Patches(width=64, side=160, patch=16, blocks=7, classes=CLASSES))
bert_mini = seeded(lambda: Texts(width=256, tokens=128, blocks=4))
bert_narrow = seeded(lambda: Texts(width=64, tokens=16, blocks=2))
