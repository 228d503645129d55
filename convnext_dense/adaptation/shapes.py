"""Sizes of what parts of a model return, found by running them without memory for weights where that is possible."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import last_line
from .notes import NotAdaptable

if TYPE_CHECKING:
    from torch import Tensor, nn

IMAGE_SIDE = 512
"""Height and width of the image that is run, in pixels: every stride divides it."""


def feature_shapes(
    parts: Sequence[dict[str, Any]], inputs: Sequence[tuple[int, int, int]], what: str
) -> list[tuple[int, int, int]]:
    """Run parts of a model one after the other, and return the (channels, height, width) of each output of the last.

    Args:
        parts: configs with scopes, such as those of a neck.
        inputs: (channels, height, width) of each input of the first; an image is given to it as
            a tensor, features as a tuple.
        what: names the parts in errors.

    Raises:
        NotAdaptable: if they can't be built, don't take the inputs, or return something else than feature maps.
    """
    import torch

    error: Exception | None = None
    for device in ('meta', 'cpu'):  # not every op can do without values
        try:
            with torch.random.fork_rng(devices=[]), torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter('ignore')
                features: Any = tuple(torch.zeros(1, *shape, device=device) for shape in inputs)
                if inputs[0][0] == 3 and len(inputs) == 1:
                    features = features[0]
                for part in parts:
                    module = build_part(part, device)
                    module.eval()  # which returns None in mmdet's backbones
                    features = module(features)
        except Exception as one:  # anything can go wrong in the code of others
            error = one
            continue
        return _shapes(features, what)
    assert error is not None
    raise NotAdaptable(f'{what} does not run: {last_line(error)}') from error


def build_part(part: dict[str, Any], device: str = 'meta') -> nn.Module:
    """Build a part of a model, or a whole one, whose weights are on a device; on ``'meta'`` they take no memory."""
    from mmengine.config import ConfigDict
    from mmengine.registry import MODELS
    from torch.overrides import TorchFunctionMode

    class WithoutMemory(TorchFunctionMode):
        """Mode in which ``torch.empty``, of which layers make their weights, takes no memory; values stay values."""

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            import torch

            given = dict(kwargs or {})
            return function(*args, **(dict(given, device='meta') if function is torch.empty else given))

    if device != 'meta':
        return MODELS.build(ConfigDict(part))
    with WithoutMemory():
        module = MODELS.build(ConfigDict(part))
    return module.to('meta')


def _shapes(features: Any, what: str) -> list[tuple[int, int, int]]:
    import torch

    maps: Sequence[Tensor] = [features] if isinstance(features, torch.Tensor) else features
    if not all(isinstance(one, torch.Tensor) and one.dim() == 4 for one in maps):
        raise NotAdaptable(f'{what} returns more than feature maps, which its heads take, too')
    return [(one.shape[1], one.shape[2], one.shape[3]) for one in maps]
