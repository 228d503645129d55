"""What the segmentors need beyond mmseg's parts."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

with contextlib.redirect_stdout(io.StringIO()):  # it says, twice, that a package which it can do without is absent
    import mmseg.datasets  # noqa: F401

import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder, SegTTAModel
from mmseg.structures import SegDataSample
from torch import Tensor

from ..errors import UserError
from ..registry import MODELS

# The recipe's own choice: ignored pixels count in the mean of the loss.
warnings.filterwarnings('ignore', message='Default ``avg_non_ignore`` is False')


@MODELS.register_module()
class Segmentor(EncoderDecoder):
    """mmseg's, that predicts labels and no logits.

    mmseg makes the logits of all classes as large as the picture, several times over: 210 MB for 150 classes of
    512 x 683 pixels. Here they are never so large together; see :func:`label_map`. ``pred_sem_seg`` is uint8 (1, H, W)
    for up to 256 classes.

    With ``test_cfg.keep_logits`` the predictions are mmseg's, ``seg_logits`` among them; so they are with heads of one
    channel, and with heads that have a way to predict of their own.
    """

    def predict(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> list[SegDataSample]:
        if self.test_cfg.get('keep_logits') or not _independent_classes(self.decode_head):
            return super().predict(inputs, data_samples)
        if data_samples is None:
            data_samples = [SegDataSample() for _ in inputs]
        windows = list(self._windows(inputs))
        for place, sample in enumerate(data_samples):
            own = [Window(rows, columns, logits[place]) for rows, columns, logits in windows]
            labels = label_map(own, inputs.shape[2:], sample.metainfo, self.align_corners)
            sample.set_data({'pred_sem_seg': PixelData(data=labels[None])})
        return data_samples

    def _windows(self, inputs: Tensor) -> Iterator[Window]:
        crop, stride = inputs.shape[2:], (1, 1)
        if self.test_cfg.get('mode', 'whole') == 'slide':
            crop, stride = self.test_cfg.crop_size, self.test_cfg.stride
        for rows in _spans(inputs.shape[2], crop[0], stride[0]):
            for columns in _spans(inputs.shape[3], crop[1], stride[1]):
                yield Window(rows, columns, self.decode_head(self.extract_feat(inputs[:, :, rows, columns])))


class Window(NamedTuple):
    """A part of the network's input and its logits (..., K, h, w), as small as the head gives them."""

    rows: slice
    columns: slice
    logits: Tensor


def label_map(
    windows: Sequence[Window], size: Sequence[int], meta: Mapping[str, Any], align_corners: bool = False
) -> Tensor:
    """The class of the highest logit at each pixel of a picture, the first among equals.

    Each window is enlarged to its size in the input, they are averaged where they overlap, what was padded is cut off,
    a flip is undone, and all is resized to the size of the picture. Up to there no class has to do with another one:
    they come one by one, in the memory of one. It is what mmseg finds, but in float32 whatever the logits are; how the
    last bit is rounded depends, in torch, on the layout and the number of channels, and with it which of two logits is
    higher that are equal up to there.

    Args:
        windows: with logits (K, h, w).
        size: H and W of the input.
        meta: of mmseg's sample: ``ori_shape``, the size of the picture, or else the input's; padding; flip.

    Returns:
        (H, W) of the picture, uint8 for up to 256 classes, else int32.
    """
    windows = [window._replace(logits=window.logits.float().contiguous()) for window in windows]
    classes = len(windows[0].logits)
    count = windows[0].logits.new_zeros(tuple(size))
    for window in windows:
        count[window.rows, window.columns] += 1
    scores = (_at_picture(_mean(windows, count, k, align_corners), meta, align_corners) for k in range(classes))
    return _highest(scores, torch.uint8 if classes <= 256 else torch.int32)


def _mean(windows: Sequence[Window], count: Tensor, label: int, align_corners: bool) -> Tensor:
    """The logit of one class, (H, W) of the input, where so many windows overlap as ``count`` says."""
    if len(windows) == 1:
        return _resized(windows[0].logits[label], count.shape, align_corners)
    total = torch.zeros_like(count)
    for rows, columns, logits in windows:
        part = total[rows, columns]
        part += _resized(logits[label], part.shape, align_corners)
    return total / count


def _at_picture(scores: Tensor, meta: Mapping[str, Any], align_corners: bool) -> Tensor:
    height, width = scores.shape
    left, right, top, bottom = meta.get('img_padding_size', meta.get('padding_size', (0, 0, 0, 0)))
    scores = scores[top : height - bottom, left : width - right]
    if meta.get('flip'):
        scores = scores.flip({'horizontal': 1, 'vertical': 0}[meta['flip_direction']])
    return _resized(scores, meta.get('ori_shape', scores.shape), align_corners)


def _resized(scores: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    if scores.shape == tuple(size):
        return scores
    return F.interpolate(scores[None, None], size, mode='bilinear', align_corners=align_corners)[0, 0]


def _highest(maps: Iterable[Tensor], dtype: torch.dtype) -> Tensor:
    """The number of the map that is the highest at each pixel, the first among equals."""
    maps = iter(maps)
    best = next(maps)
    labels = torch.zeros_like(best, dtype=dtype)
    for label, scores in enumerate(maps, 1):
        # the last one that was better has the highest number: no masked writing, which takes four times as long
        labels = torch.maximum(labels, (scores > best).to(dtype) * label)
        best = torch.maximum(scores, best)
    return labels


def _spans(length: int, crop: int, stride: int) -> Iterator[slice]:
    """Windows along a side: each a stride further, the last one up to the end."""
    for number in range(max(length - crop + stride - 1, 0) // stride + 1):
        end = min(number * stride + crop, length)
        yield slice(max(end - crop, 0), end)


def _independent_classes(head: Any) -> bool:
    """Whether the head has several classes and finds them as most do: logits, which are then only enlarged."""
    inherited = all(getattr(type(head), n) is getattr(BaseDecodeHead, n) for n in ('predict', 'predict_by_feat'))
    return inherited and head.out_channels > 1


@MODELS.register_module()
class SegmentorTTA(SegTTAModel):
    """Averages the class probabilities over several views of each picture.

    Args:
        module: the segmentor.
        mode: ``'whole'`` shows it each view at once, as the official multi-scale results were made; ``'slide'`` in
            windows, as in single-scale testing.
    """

    def __init__(self, module: dict, mode: str = 'whole') -> None:
        super().__init__(module)
        if mode not in ('whole', 'slide'):
            raise UserError(f"tta_model.mode {mode!r} does not exist: take 'whole' or 'slide'")
        self.module.test_cfg.update(mode=mode, keep_logits=True)  # probabilities are of all classes together
        MMLogger.get_current_instance().info(f'multi-scale testing with flips, {mode} inference of each view')

    def test_step(self, data: dict) -> list[SegDataSample]:
        views = zip(data['inputs'], data['data_samples'], strict=True)
        predictions = [self.module.test_step(dict(inputs=i, data_samples=d)) for i, d in views]
        return self.merge_preds(list(zip(*predictions, strict=True)))
