"""Networks of other people's packages, with random weights; each maker imports its own package."""

from typing import Any

import torch
from torch import Tensor, nn

CLASSES = 5


class PixelLogits(nn.Module):
    """A network of transformers for pictures that gives its logits alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        return self.network(pixel_values=pixels).logits  # type: ignore[no-any-return]


class TokenLogits(nn.Module):
    """The same of a network of token ids and a mask."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.network(input_ids=ids, attention_mask=mask).logits  # type: ignore[no-any-return]


def of_transformers(kind: str, wrapper: type[Any], **settings: Any) -> nn.Module:
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(num_labels=CLASSES, **settings)
    suffix = "ForImageClassification" if wrapper is PixelLogits else "ForSequenceClassification"
    network = getattr(transformers, f"{kind}{suffix}")(config)
    return wrapper(network.eval())  # type: ignore[no-any-return]


def bert() -> nn.Module:
    return of_transformers(
        "Bert", TokenLogits, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, vocab_size=40, max_position_embeddings=16,
    )  # fmt: skip


def distilbert() -> nn.Module:
    return of_transformers(
        "DistilBert", TokenLogits, dim=16, n_layers=1, n_heads=2, hidden_dim=32, vocab_size=40,
        max_position_embeddings=16,
    )  # fmt: skip


def vit() -> nn.Module:
    return of_transformers(
        "ViT", PixelLogits, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, image_size=32, patch_size=8,
    )  # fmt: skip


def of_timm(name: str, **settings: Any) -> nn.Module:
    import timm

    torch.manual_seed(0)
    network = timm.create_model(name, pretrained=False, num_classes=CLASSES, **settings)
    for weights in network.parameters():
        if not weights.any():  # some heads start at 0
            nn.init.normal_(weights, std=0.02)
    return network.eval()  # type: ignore[no-any-return]


def resnet10t() -> nn.Module:
    return of_timm("resnet10t")


def mobilenetv3_small_050() -> nn.Module:
    return of_timm("mobilenetv3_small_050")


def convnext_atto() -> nn.Module:
    return of_timm("convnext_atto")


def vit_tiny_patch16_224() -> nn.Module:
    return of_timm("vit_tiny_patch16_224", img_size=64, depth=2)


def swin_tiny_patch4_window7_224() -> nn.Module:
    return of_timm("swin_tiny_patch4_window7_224", img_size=56, embed_dim=24, depths=(1, 1))


def efficientnet_b0() -> nn.Module:
    return of_timm("efficientnet_b0")


def mixer_s32_224() -> nn.Module:
    return of_timm("mixer_s32_224", img_size=64)


TOKENS = ["--input", "ids=8:int64", "--input", "mask=8:int64", "--range", "ids=0:39",
          "--range", "mask=0:1"]  # fmt: skip

OF_TRANSFORMERS = {
    "bert": TOKENS,
    "distilbert": TOKENS,
    "vit": ["--input", "pixels=3x32x32"],
}

PICTURES = ["--input", "x=3x64x64"]

OF_TIMM = {
    "resnet10t": PICTURES,
    "mobilenetv3_small_050": PICTURES,
    "convnext_atto": PICTURES,
    "vit_tiny_patch16_224": PICTURES,
    "swin_tiny_patch4_window7_224": ["--input", "x=3x56x56"],
    "efficientnet_b0": PICTURES,
    "mixer_s32_224": PICTURES,
}
"""Options of the import, by the name of the maker."""
