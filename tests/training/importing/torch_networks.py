"""Small torch modules of the kinds that people bring; weights are seeded."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def seeded(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """Make a module always with the same weights and statistics, in evaluation mode."""

    def made() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            module = make()
            for part in module.modules():
                if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                    assert part.running_mean is not None
                    assert part.running_var is not None
                    part.running_mean.normal_(0, 0.2)
                    part.running_var.uniform_(0.5, 1.5)
        return module.eval()

    return made


class Residual(nn.Module):
    """Two convolutions and a shortcut of another size."""

    def __init__(self, less: int, more: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(less, more, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(more)
        self.conv2 = nn.Conv2d(more, more, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(more)
        self.short = nn.Conv2d(less, more, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(inner + self.short(x))


class Squeeze(nn.Module):
    """A map is weighted by what its means say."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.less = nn.Conv2d(channels, 2, 1)
        self.more = nn.Conv2d(2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = nn.functional.adaptive_avg_pool2d(x, 1)
        return x * nn.functional.hardsigmoid(self.more(torch.relu(self.less(means))))


class Attention(nn.Module):
    """Multi-head attention over ``[n, tokens, width]``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        count, tokens, width = x.shape
        parted = self.qkv(x).reshape(count, tokens, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        query, key, value = parted[0], parted[1], parted[2]
        likeness = query @ key.transpose(-2, -1) / (width // 2) ** 0.5
        if mask is not None:
            likeness = likeness.masked_fill(mask[:, None, None, :] == 0, -1e4)
        mixed = (likeness.softmax(-1) @ value).transpose(1, 2).reshape(count, tokens, width)
        return self.out(mixed)  # type: ignore[no-any-return]


class Block(nn.Module):
    """A layer of a transformer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x + self.attention(self.norm1(x), mask)
        return x + self.narrow(nn.functional.gelu(self.wide(self.norm2(x))))  # type: ignore[no-any-return]


class Patches(nn.Module):
    """A ViT: patches, a class token, places, blocks."""

    def __init__(self, width: int = 8, side: int = 16, patch: int = 4, blocks: int = 1,
                 classes: int = 5) -> None:  # fmt: skip
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, stride=patch)
        self.first = nn.Parameter(torch.randn(1, 1, width))
        self.places = nn.Parameter(torch.randn(1, (side // patch) ** 2 + 1, width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), tokens], 1) + self.places
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])  # type: ignore[no-any-return]


class Windows(nn.Module):
    """Attention inside windows of 4 x 4 places (Swin)."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.block = nn.Conv2d(3, 8, 2, stride=2), Block(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).permute(0, 2, 3, 1)
        count, high, wide, width = x.shape
        x = x.view(count, high // 4, 4, wide // 4, 4, width).permute(0, 1, 3, 2, 4, 5)
        x = self.block(x.reshape(-1, 16, width))
        return self.head(x.reshape(count, -1, width)[:, 0])  # type: ignore[no-any-return]


class Words(nn.Module):
    """Filters of two lengths over words, the largest answer of each (TextCNN)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.two, self.three = nn.Conv1d(8, 6, 2), nn.Conv1d(8, 6, 3)
        self.head = nn.Linear(12, 4)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embedding(ids).transpose(1, 2)
        found = [torch.relu(conv(x)).amax(2) for conv in (self.two, self.three)]
        return self.head(torch.cat(found, 1))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Token ids and a mask (BERT)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.places = nn.Embedding(30, 8), nn.Embedding(6, 8)
        self.block, self.head = Block(8), nn.Linear(8, 4)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = self.embedding(ids) + self.places(torch.arange(ids.shape[1]))
        return self.head(self.block(x, mask)[:, 0])  # type: ignore[no-any-return]


class Scale(nn.Module):
    """A factor for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class LayerScaled(nn.Module):
    """A block of ConvNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 2, stride=2)
        self.deep = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.norm, self.wide, self.narrow = nn.LayerNorm(8), nn.Linear(8, 16), nn.Linear(16, 8)
        self.scale, self.head = Scale(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        inner = self.wide(self.norm(self.deep(x).permute(0, 2, 3, 1)))
        scaled = self.scale(self.narrow(nn.functional.gelu(inner)))
        return self.head((x + scaled.permute(0, 3, 1, 2)).mean((2, 3)))  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """A recurrent layer over ``[n, steps, 6]`` and a head on its last state."""

    def __init__(self, layer: type[Any]) -> None:
        super().__init__()
        self.layer, self.head = layer(6, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(x)[0][:, -1])  # type: ignore[no-any-return]


class StepsFirst(nn.Module):
    """Steps come first, ``[steps, n, 6]``, as torch's encoders have it by default."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out, self.head = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(0, 1)
        return self.head(self.out(torch.relu(self.into(x))).sum(0))  # type: ignore[no-any-return]


class Baked(nn.Module):
    """Its number of inputs becomes a constant when it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.head = nn.Linear(6, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        shift = torch.zeros(len(x), 8)
        return self.head(torch.relu(self.one(x)) + shift.view(len(x), -1))  # type: ignore[no-any-return]


class Code(nn.Module):
    """A bottleneck, and a head on the code."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3), nn.Tanh())
        self.decoder, self.head = nn.Linear(3, 12), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        code = self.encoder(x)
        return self.head(code + 0 * self.decoder(code).sum(1, keepdim=True))  # type: ignore[no-any-return]


perceptron = seeded(
    lambda: nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 4)
    )
)
convolutional = seeded(
    lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(54, 5),
    )
)  # fmt: skip
residual = seeded(
    lambda: nn.Sequential(
        Residual(3, 6), Residual(6, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )
)
depthwise = seeded(
    lambda: nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.Hardswish(), nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8),
        nn.ReLU6(), Squeeze(8), nn.Conv2d(8, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 5),
    )
)  # fmt: skip
patches = seeded(Patches)
windows = seeded(Windows)
words = seeded(Words)
encoder = seeded(Encoder)
layer_scaled = seeded(LayerScaled)
long_memory = seeded(lambda: Recurrent(nn.LSTM))
gated_units = seeded(lambda: Recurrent(nn.GRU))
steps_first = seeded(StepsFirst)
code = seeded(Code)
baked = seeded(Baked)
of_torch = seeded(
    lambda: nn.Sequential(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten(), nn.Linear(48, 4)
    )
)
