"""Features of images as a classifier's head sees them, computed in batches and kept in a :class:`.FeatureCache`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UserError
from .cache import FeatureCache, FileState


def check_finite(backbone: nn.Module, name: str) -> None:
    """Check that all weights of a backbone are finite.

    Args:
        backbone: the backbone.
        name: what the error calls the weights.

    Raises:
        UserError: if one is NaN or infinite.
    """
    for parameter, tensor in backbone.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise UserError(f'{name}: {parameter} of the backbone has values that are NaN or infinite: take others')


@torch.inference_mode()
def extract(model: Any, inputs: Tensor, precision: torch.dtype | None = None) -> Tensor:
    """Compute the features of a batch as the head of a classifier gets them.

    Args:
        model: a model in evaluation mode, with ``data_preprocessor``, and ``backbone``, whose output the features are,
            or a method ``features`` of the inputs.
        inputs: (N, 3, H, W) from the data loader.
        precision: type of mixed precision, or None for float32.

    Returns:
        float32 (N, C), on the CPU.
    """
    batch = model.data_preprocessor({'inputs': inputs}, False)
    device = next(model.parameters()).device.type
    with nullcontext() if precision is None else torch.autocast(device, precision):
        features: Tensor = getattr(model, 'features', model.backbone)(batch['inputs'])
    return features.float().cpu()


def compute_features(
    model: Any,
    batches: Iterable[Mapping[str, Any]],
    files: Mapping[str, FileState],
    cache: FeatureCache,
    precision: torch.dtype | None = None,
    advance: Callable[[int], object] = lambda images: None,
) -> list[str]:
    """Compute the features of images and add them to a cache, batch by batch.

    Args:
        model: a classifier; it is in evaluation mode afterwards.
        batches: batches with ``inputs`` (N, 3, H, W), their ``paths``, and ``skipped``, the paths of unreadable ones.
        files: the state of each file by its path in the batches, from before it is read.
        cache: the cache.
        precision: see :func:`extract`.
        advance: function that is called with the number of images of each batch.

    Returns:
        The paths of unreadable images.

    Raises:
        UserError: if a feature is NaN or infinite.
    """
    model.eval()
    skipped: list[str] = []
    for batch in batches:
        paths: Sequence[str] = batch['paths']
        skipped += batch['skipped']
        if paths:
            features = extract(model, batch['inputs'], precision)
            is_finite = features.isfinite().all(dim=1)
            if not is_finite.all():
                first = paths[int((~is_finite).nonzero()[0])]
                advice = 'take other weights' if precision is None else 'take --amp off, or other weights'
                raise UserError(f'the features of {first} are NaN or infinite: {advice}')
            cache.add([files[path] for path in paths], features.numpy())
        advance(len(paths) + len(batch['skipped']))
    return skipped
