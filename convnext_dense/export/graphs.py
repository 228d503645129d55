"""Base class of exported graphs, and the graph of a backbone's features.

A graph is a module from images to named outputs, built from the parts of a loaded model, that includes the
normalization.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import UserError
from ..io.band_choice import BandInput
from ..io.image_size import ImageSize
from ..models import ConvNeXt
from .limits import DYNAMIC_MIN

STAGES = (0, 1, 2, 3)


class Normalization(NamedTuple):
    """Mean and standard deviation (3,) of a network's input normalization, for RGB values from 0 to 255.

    For a network whose input is BGR, they are in that order too. For bands they are (C,), of the values as stored.
    """

    mean: Tensor
    std: Tensor
    bgr: bool = False
    bands: BandInput | None = None


class Graph(nn.Module):
    """Exported part of a model: from images to a tuple of tensors, including the normalization.

    The input is a float tensor (N, 3, H, W) of RGB values from 0 to 255, or (N, C, H, W) of bands as stored.

    Args:
        model: an mmengine model in evaluation mode.
        normalization: normalization of the network's input.

    Attributes:
        outputs: type, shape and meaning of each output by its name.
        left_out: steps that are left to the caller.
        one_image: True if N must be 1.
        smallest: least height and width of the images, where those are open.
        bands: the bands that it takes; None for RGB.
        channels: number of channels C of the input.
    """

    outputs: dict[str, str]
    left_out: str = 'decoding and resizing the image'
    one_image: ClassVar[bool] = False
    smallest: int = DYNAMIC_MIN
    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, normalization: Normalization) -> None:
        super().__init__()
        self.register_buffer('mean', normalization.mean.view(-1, 1, 1))
        self.register_buffer('std', normalization.std.view(-1, 1, 1))
        self.bgr, self.bands = normalization.bgr, normalization.bands
        self.channels = len(self.mean)

    def normalized(self, image: Tensor) -> Tensor:
        return ((image.flip(1) if self.bgr else image) - self.mean) / self.std

    def noise(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """Draw an image of noise, (1, C, height, width), of values as the input has them."""
        uniform = torch.rand(1, self.channels, height, width, generator=generator)
        return uniform * 255 if self.bands is None else self.mean + self.std * (uniform * 4 - 2)

    def numbers(self, image: Tensor) -> dict[str, Tensor]:
        """Compute outputs that no prediction has, such as logits, with the original model in PyTorch.

        Returns:
            The output by its name; nothing, if all outputs are predictions.
        """
        return {}

    def as_predicted(self, outputs: Sequence[Tensor], size: ImageSize) -> list[dict[str, np.ndarray]]:
        """Do the steps that are left to the caller of the exported file.

        Args:
            outputs: the outputs of the file for N images.
            size: height and width of the images.

        Returns:
            For each image, the values of its predicted :class:`~convnext_dense.results.Result` by the names of its
            attributes; nothing for an image, if the outputs are no prediction.
        """
        return []


def class_with(part: object, method: str) -> str | None:
    """Return the name of the class whose implementation of a method a part uses, or None if it has no such method."""
    return next((base.__name__ for base in type(part).__mro__ if method in vars(base)), None)


class Features(Graph):
    """Graph of the outputs of the backbone's four stages, for models of any task.

    Each output passes a norm ``norm{i}``. A classifier has no such norms: they are added with weight 1 and bias
    0, their initial values when a detector or segmentor is trained.
    """

    outputs = {
        f'stage{i}': f'float32 (N, C{i}, H // {s}, W // {s}), normalized over its channels'
        for i, s in enumerate((4, 8, 16, 32))
    }

    def __init__(self, model: Any, normalization: Normalization) -> None:
        super().__init__(model, normalization)
        backbone = model.backbone
        if getattr(backbone, 'out_indices', ()) != STAGES:
            if type(backbone) is not ConvNeXt:
                raise UserError(
                    f'{type(backbone).__name__} has no features of four stages: take another --task-output'
                )
            backbone = copy.deepcopy(backbone)
            for i in STAGES:
                if not hasattr(backbone, f'norm{i}'):
                    backbone.add_module(f'norm{i}', backbone.new_output_norm(i))
            backbone.out_indices = STAGES
        self.backbone = backbone

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.backbone(self.normalized(image))

    def numbers(self, image: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.outputs, self.forward(image), strict=True))
