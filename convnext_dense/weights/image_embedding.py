"""The last layer of CLIP's image towers: a projection to an image embedding, which is no classifier."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from .fetch import HUB_CONFIG, HUB_FILES

SIZES = (512, 640, 768, 1024)  # of the embeddings of open_clip's ConvNeXts, by its model_configs


def has_image_embedding(path: Path, state: Mapping[str, Tensor]) -> bool:
    """Whether the head of timm's weights is CLIP's projection.

    timm gives the projection, which has no bias, one of zeros (``checkpoint_filter_fn`` of its ``convnext.py``), and
    names it by the tag of its ``pretrained_cfg``: ``clip_laion2b``, but ``clip_laion2b_augreg_ft_in12k`` once it is
    fine-tuned to classify.

    Args:
        path: the weights file; its folder may have a ``config.json``.
        state: the weights, with this package's names.
    """
    size, bias = len(state.get('head.weight', ())), state.get('head.bias')
    if size not in SIZES or (bias is not None and bias.any()):  # a classifier, perhaps in place of the projection
        return False
    config = path.with_name(HUB_CONFIG)
    if path.name in HUB_FILES and config.is_file():
        try:
            tag = json.loads(config.read_text())['pretrained_cfg']['tag']
            return re.match(r'clip(?!.*_ft_in\d+k)', tag) is not None
        except (ValueError, KeyError, TypeError, OSError):
            pass  # only the weights tell it
    return True
