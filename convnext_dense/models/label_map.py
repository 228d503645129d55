"""From logits to labels, a few rows of the image at a time, as mmseg does it for all classes and pixels at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LOGITS_AT_ONCE = 2**22  # 16 MB: far less than an image's, and yet enough for several threads


class Window(NamedTuple):
    """A part of the network's input and its logits (..., K, h, w), as small as the head gives them."""

    rows: slice
    columns: slice
    logits: Tensor


class Scores(NamedTuple):
    """Logits (height, width, K) that are made when they are needed: ``rows(start, stop)`` gives some rows of them."""

    height: int
    width: int
    rows: Callable[[int, int], Tensor]


def label_map(
    windows: Sequence[Window], size: Sequence[int], meta: Mapping[str, Any], align_corners: bool = False
) -> Tensor:
    """The class of the highest logit at each pixel of an image, the first among equals.

    Each window is enlarged to its size in the input, they are averaged where they overlap, what was padded is cut off,
    a flip is undone, and all is resized to the size of the image, as in mmseg, but a few rows at a time and in
    float32 whatever the logits are. They are mmseg's up to their last bits, which in torch itself depend on layout and
    number of channels: where two are equal up to there, either may be the highest.

    Args:
        windows: with logits (K, h, w).
        size: H and W of the input.
        meta: of mmseg's sample: ``ori_shape``, the size of the image, or else the input's; padding; flip.

    Returns:
        (H, W) of the image, uint8 for up to 256 classes, else int32.
    """
    classes, device = len(windows[0].logits), windows[0].logits.device
    upright = _upright(_mean(windows, size, align_corners), meta)
    height, width = meta.get('ori_shape', (upright.height, upright.width))
    scores = _resized(upright, height, width, align_corners)
    labels = torch.empty(height, width, dtype=torch.uint8 if classes <= 256 else torch.int32, device=device)
    widest = max(width, upright.height * upright.width / height)  # positions that a row is made of
    step = max(int(LOGITS_AT_ONCE / (widest * classes)), 1)
    for start in range(0, height, step):
        labels[start : start + step] = _argmax(scores.rows(start, min(start + step, height)))
    return labels


def _argmax(scores: Tensor) -> Tensor:
    if scores.device.type == 'cpu':  # numpy's is several times as fast
        return torch.from_numpy(scores.detach().numpy().argmax(axis=-1))
    return scores.argmax(dim=-1)


def _mean(windows: Sequence[Window], size: Sequence[int], align_corners: bool) -> Scores:
    """The mean over the windows, (H, W) of the input."""
    parts = [_enlarged(window, align_corners) for window in windows]
    if len(parts) == 1:
        return parts[0]

    def rows(start: int, stop: int) -> Tensor:
        total, count = (
            torch.zeros(stop - start, size[1], last, device=windows[0].logits.device)
            for last in (len(windows[0].logits), 1)
        )
        for window, part in zip(windows, parts, strict=True):
            top, bottom = max(start, window.rows.start), min(stop, window.rows.stop)
            if top < bottom:
                place = slice(top - start, bottom - start), window.columns
                total[place] += part.rows(top - window.rows.start, bottom - window.rows.start)
                count[place] += 1
        return total.div_(count)

    return Scores(size[0], size[1], rows)


def _enlarged(window: Window, align_corners: bool) -> Scores:
    logits = window.logits.float().permute(1, 2, 0).contiguous()
    scores = Scores(logits.shape[0], logits.shape[1], lambda start, stop: logits[start:stop])
    height, width = (span.stop - span.start for span in (window.rows, window.columns))
    return _resized(scores, height, width, align_corners)


def _upright(scores: Scores, meta: Mapping[str, Any]) -> Scores:
    """Without padding and flip."""
    left, right, top, bottom = meta.get('img_padding_size', meta.get('padding_size', (0, 0, 0, 0)))
    height, width = scores.height - top - bottom, scores.width - left - right
    flip = meta['flip_direction'] if meta.get('flip') else None

    def rows(start: int, stop: int) -> Tensor:
        if flip == 'vertical':
            start, stop = height - stop, height - start
        some = scores.rows(start + top, stop + top)[:, left : left + width]
        return some if flip is None else some.flip({'vertical': 0, 'horizontal': 1}[flip])

    return Scores(height, width, rows)


def _resized(scores: Scores, height: int, width: int, align_corners: bool) -> Scores:
    """By bilinear interpolation as in torch: here between rows, which torch then does within them."""
    if (height, width) == (scores.height, scores.width):
        return scores

    def rows(start: int, stop: int) -> Tensor:
        position = torch.arange(start, stop, dtype=torch.float32)
        if align_corners:
            position *= (scores.height - 1) / max(height - 1, 1)
        else:
            position = ((position + 0.5) * (scores.height / height) - 0.5).clamp(min=0)
        above = position.long().clamp(max=scores.height - 1)
        below = (above + 1).clamp(max=scores.height - 1)
        first = int(above[0])
        some = scores.rows(first, int(below[-1]) + 1)
        above, below, share = (t.to(some.device) for t in (above - first, below - first, position - above))
        mixed = torch.lerp(some[above], some[below], share[:, None, None])[None].permute(0, 3, 1, 2)  # channels_last
        within = F.interpolate(mixed, (stop - start, width), mode='bilinear', align_corners=align_corners)
        return within[0].permute(1, 2, 0)

    return Scores(height, width, rows)
