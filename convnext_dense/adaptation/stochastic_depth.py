"""The stochastic depth of an adapted model's backbone: that of the packaged configs with the same kind of head."""

from __future__ import annotations

from typing import Any

from .arch import Arch
from .notes import Notes

DETECTION = {'tiny': 0.4, 'small': 0.6, 'base': 0.7, 'large': 0.7, 'xlarge': 0.8}
"""Rates of the packaged Cascade Mask R-CNN configs, which are the official ones."""
SEGMENTATION = {'tiny': 0.4, 'small': 0.3, 'base': 0.4, 'large': 0.4, 'xlarge': 0.4}
"""Rates of the packaged UPerNet configs, which are the official ones."""
MASKFORMERS = {'mmdet': 0.3, 'mmseg': 0.4}
"""Rates of the packaged Mask2Former configs from tiny on: those of mmdet's for Swin, and those of OneFormer."""
LARGER = ('huge', 'xxlarge')
"""Archs beyond those of the published recipes; the smaller ones train without stochastic depth."""


def drop_path_rate(model: dict[str, Any], arch: Arch, notes: Notes) -> float:
    """Return the rate for a model: 0 for DETR and what derives from it, as in the published results of DINO."""
    from mmengine.registry import MODELS

    kind = MODELS.get(model['type'])
    bases = [base.__name__ for base in kind.__mro__] if isinstance(kind, type) else []
    if 'DetectionTransformer' in bases:
        return 0.0
    rates = SEGMENTATION if 'decode_head' in model else DETECTION
    head = model.get('decode_head', model)
    library, _, name = str(head.get('type') if isinstance(head, dict) else '').partition('.')  # no cascade
    if name.startswith(('MaskFormer', 'Mask2Former')):
        rates = dict.fromkeys(rates, MASKFORMERS[library])
    if arch.arch in LARGER:
        notes.undecided.append(
            f'backbone.drop_path_rate: no recipe for {arch.arch} is published; this is the rate of xlarge'
        )
        return rates['xlarge']
    return rates.get(arch.arch, 0.0)
