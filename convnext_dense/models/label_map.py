"""Compute a segmentor's label map from its logits or masks, a few rows of the image at a time to save memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LOGITS_AT_ONCE = 2**22  # 16 MB: far less than the logits of an image, but enough work for several threads


class Window(NamedTuple):
    """A rectangle of the network's input, and what the head predicts for it, at the head's resolution.

    Attributes:
        rows, columns: its place.
        logits: of the classes (K, h, w); or of the masks of queries (Q, h, w).
        queries: (Q, K), the probability of each class for each query; None where the logits are of classes. The scores
            of the classes are then the sums over all queries of the mask's probability times the class's.
    """

    rows: slice
    columns: slice
    logits: Tensor
    queries: Tensor | None = None

    @property
    def classes(self) -> int:
        return len(self.logits) if self.queries is None else self.queries.shape[1]


Confidence = Callable[[Tensor], Tensor]
"""Returns the confidence of the class with the highest score, in [0, 1], of scores with the classes in the last
dimension, which is left out."""


class Scores(NamedTuple):
    """Logits (height, width, K) that are computed on demand: ``rows(start, stop)`` returns some of the rows."""

    height: int
    width: int
    rows: Callable[[int, int], Tensor]


def labels_of_logits(logits: Tensor, threshold: float | None, dim: int = 1) -> Tensor:
    """Return the label at each pixel, for logits of a head's output channels along ``dim``, which is left out.

    Args:
        logits: any shape.
        threshold: None for a channel for each class, of which the highest wins; for a single channel the probability,
            in [0, 1], above which a pixel is of class 1 and otherwise of class 0.
        dim: dimension of the channels.

    Returns:
        int64 labels.
    """
    return labels_of_probabilities(logits if threshold is None else logits.sigmoid(), threshold, dim)


def labels_of_probabilities(probabilities: Tensor, threshold: float | None, dim: int = 1) -> Tensor:
    """Return the label at each pixel as :func:`labels_of_logits`, for probabilities instead of logits."""
    if threshold is None:
        return probabilities.argmax(dim)
    return (probabilities.select(dim, 0) > threshold).long()


def label_map(
    windows: Sequence[Window], size: Sequence[int], meta: Mapping[str, Any], align_corners: bool = False
) -> Tensor:
    """Return the class with the highest logit at each pixel of an image; of equal logits the first wins.

    As in mmseg, each window's logits are resized to the window, averaged where windows overlap, cropped to the
    unpadded image, flipped back, and resized to the original image; here a few rows at a time, and always in float32.
    The logits equal mmseg's up to the last bits, which in torch depend on memory format and number of channels: where
    the logits of two classes differ only there, the label may be either class.

    Args:
        windows: parts that cover the network's input.
        size: (height, width) of the network's input.
        meta: metainfo of mmseg's data sample: ``ori_shape``, the (height, width) of the result (default: that of the
            unpadded input); ``img_padding_size`` or ``padding_size``; ``flip`` and ``flip_direction``.
        align_corners: see ``torch.nn.functional.interpolate``.

    Returns:
        A label map (height, width): uint8 for up to 256 classes, else int32.
    """
    return labels_with_confidence(windows, size, meta, align_corners)[0]


def labels_with_confidence(
    windows: Sequence[Window],
    size: Sequence[int],
    meta: Mapping[str, Any],
    align_corners: bool = False,
    confidence: Confidence | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Return the label map of :func:`label_map`, and the confidence of each label.

    Args:
        windows, size, meta, align_corners: see there.
        confidence: what gives the confidences; None for none.

    Returns:
        The label map, and the confidences, float16 (height, width), or None.
    """
    scores = _of_image(windows, size, meta, align_corners)
    kind = torch.uint8 if windows[0].classes <= 256 else torch.int32
    labels = torch.empty(scores.height, scores.width, dtype=kind, device=windows[0].logits.device)
    shares = None if confidence is None else labels.new_empty(labels.shape, dtype=torch.float16)
    for start, stop in _strips(scores, windows[0], size, meta):
        rows = scores.rows(start, stop)
        labels[start:stop] = _argmax(rows)
        if confidence is not None and shares is not None:
            shares[start:stop] = confidence(rows)
    return labels, shares


def score_map(
    windows: Sequence[Window], size: Sequence[int], meta: Mapping[str, Any], align_corners: bool = False
) -> Tensor:
    """Return the scores of all classes, float32 (K, height, width), whose highest :func:`label_map` returns."""
    scores = _of_image(windows, size, meta, align_corners)
    whole = torch.empty(windows[0].classes, scores.height, scores.width, device=windows[0].logits.device)
    for start, stop in _strips(scores, windows[0], size, meta):
        whole[:, start:stop] = scores.rows(start, stop).permute(2, 0, 1)
    return whole


def _of_image(windows: Sequence[Window], size: Sequence[int], meta: Mapping[str, Any], align_corners: bool) -> Scores:
    """Return the scores at the size of the original image."""
    unpadded = _unpadded_and_unflipped(_mean(windows, size, align_corners), meta)
    height, width = meta.get('ori_shape', (unpadded.height, unpadded.width))
    return _resized(unpadded, height, width, align_corners)


def _strips(scores: Scores, window: Window, size: Sequence[int], meta: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield the first row and the one after the last of each part that is computed at once."""
    left, right, top, bottom = _padding(meta)
    height, width = size[0] - top - bottom, size[1] - left - right
    columns = max(scores.width, height * width / scores.height)  # that a row of the result is computed from
    step = max(int(LOGITS_AT_ONCE / (columns * max(len(window.logits), window.classes))), 1)
    for start in range(0, scores.height, step):
        yield start, min(start + step, scores.height)


def _argmax(scores: Tensor) -> Tensor:
    if scores.device.type == 'cpu':  # numpy's argmax is several times as fast
        return torch.from_numpy(scores.detach().numpy().argmax(axis=-1))
    return scores.argmax(dim=-1)


def _mean(windows: Sequence[Window], size: Sequence[int], align_corners: bool) -> Scores:
    """Combine the windows into logits of the input's size, averaged where windows overlap."""
    parts = [_enlarged(window, align_corners) for window in windows]
    if len(parts) == 1:
        return parts[0]

    def rows(start: int, stop: int) -> Tensor:
        total, count = (
            torch.zeros(stop - start, size[1], last, device=windows[0].logits.device)
            for last in (windows[0].classes, 1)
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
    scores, queries = _resized(scores, height, width, align_corners), window.queries
    if queries is None:
        return scores
    return Scores(height, width, lambda start, stop: scores.rows(start, stop).sigmoid() @ queries.float())


def _unpadded_and_unflipped(scores: Scores, meta: Mapping[str, Any]) -> Scores:
    """Crop the padding and undo the flip."""
    left, right, top, bottom = _padding(meta)
    height, width = scores.height - top - bottom, scores.width - left - right
    flip = meta['flip_direction'] if meta.get('flip') else None

    def rows(start: int, stop: int) -> Tensor:
        if flip == 'vertical':
            start, stop = height - stop, height - start
        some = scores.rows(start + top, stop + top)[:, left : left + width]
        return some if flip is None else some.flip({'vertical': 0, 'horizontal': 1}[flip])

    return Scores(height, width, rows)


def _padding(meta: Mapping[str, Any]) -> Sequence[int]:
    return meta.get('img_padding_size', meta.get('padding_size', (0, 0, 0, 0)))


def _resized(scores: Scores, height: int, width: int, align_corners: bool) -> Scores:
    """Resize by bilinear interpolation: between rows in this function, then within each row by torch."""
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
