"""Scores of classes for each pixel, by which segmentations of tiles are merged, of all segmentors of mmseg."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.model import BaseTTAModel
from torch import Tensor, nn

from ...tiling.blocks import Confidence

LARGEST = 1 - 2**-24
"""The largest float32 below 1: a probability of 1 has no logit."""


def count_classes(model: Any) -> int:
    """Return the number of classes of a segmentor, also in test-time augmentation: two if it has one channel."""
    channels = _segmentor(model).out_channels
    return 2 if channels == 1 else channels


@contextmanager
def keeping_scores(model: Any) -> Iterator[None]:
    """Context in which a segmentor's predictions have ``seg_logits``, also those of test-time augmentation."""
    settings, is_tta = _segmentor(model).test_cfg, isinstance(model, BaseTTAModel)
    before = settings.get('keep_logits', False)
    settings['keep_logits'] = True
    if is_tta:
        model.keeps_scores = True
    try:
        yield
    finally:
        settings['keep_logits'] = before
        if is_tta:
            model.keeps_scores = False


def class_scores(model: Any, sample: Any) -> Tensor:
    """Return the scores of an image's classes, of which the highest is predicted, float (K, H, W).

    They are logits; of heads with queries, and in test-time augmentation, probabilities. Of one channel, mmseg keeps
    the probability p of class 1, which is predicted if p is above a threshold t: the scores are then log(t / (1 - t))
    and log(p / (1 - p)).

    Args:
        model: the segmentor.
        sample: a prediction made in :func:`keeping_scores`.
    """
    scores = sample.seg_logits.data
    if len(scores) > 1:
        return scores
    head: Any = _segmentor(model).decode_head
    head = head[-1] if isinstance(head, nn.ModuleList) else head  # the last of a cascade predicts
    own = _logit(scores.float())
    return torch.cat([_logit(torch.full_like(own, head.threshold)), own])


def confidence_of_blocks(model: Any) -> Confidence | None:
    """Return what gives the confidences of labels from sums of weighted :func:`class_scores`, (K, H, W).

    None unless the model has ``test_cfg.keep_confidence`` and can tell them.
    """
    segmentor = _segmentor(model)
    if not segmentor.test_cfg.get('keep_confidence') or not hasattr(segmentor, 'confidence'):
        return None
    has_probabilities = isinstance(model, BaseTTAModel)

    def confidence(scores: Tensor) -> Tensor:
        if segmentor.out_channels == 1:  # what is added up is log(t / (1 - t)) and log(p / (1 - p))
            share = scores[1].sigmoid()
            return torch.where(scores[1] > scores[0], share, 1 - share)
        return scores.amax(0).clamp(max=1) if has_probabilities else segmentor.confidence(scores, 0)

    return confidence


def _segmentor(model: Any) -> Any:
    return model.module if isinstance(model, BaseTTAModel) else model


def _logit(probabilities: Tensor) -> Tensor:
    """Return log(p / (1 - p)), for 0 and 1 that of the nearest numbers between them."""
    least = torch.finfo(probabilities.dtype).tiny
    return probabilities.clamp(min=least).log() - torch.log1p(-probabilities.clamp(max=LARGEST))
