"""What the segmentors need beyond mmseg's parts."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

with contextlib.redirect_stdout(io.StringIO()):  # it says, twice, that a package which it can do without is absent
    import mmseg.datasets  # noqa: F401

import torch
from mmengine.logging import MMLogger
from mmengine.structures import PixelData
from mmseg.models.decode_heads import uper_head
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder, SegTTAModel
from mmseg.structures import SegDataSample
from torch import Tensor

from ..errors import UserError
from ..registry import MODELS
from .label_map import Window, label_map
from .memory_format import format_for_heads

# The recipe's own choice: ignored pixels count in the mean of the loss.
warnings.filterwarnings('ignore', message='Default ``avg_non_ignore`` is False')


@MODELS.register_module()
class Segmentor(EncoderDecoder):
    """mmseg's, that predicts labels and no logits.

    mmseg makes the logits of all classes as large as the image, several times over: 210 MB for 150 classes of
    512 x 683 pixels. Here they are never so large together; see :func:`label_map`. ``pred_sem_seg`` is uint8 (1, H, W)
    for up to 256 classes.

    With ``test_cfg.keep_logits`` the predictions are mmseg's, ``seg_logits`` among them, which mmseg's own
    ``SegTTAModel`` needs; so they are with heads of one channel, and with heads that predict in a way of their own.
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
class UPerHead(uper_head.UPerHead):
    """mmseg's, in the memory format of the features throughout.

    The pooled maps of a single position have no format, so what mmseg computes from them, and all that follows, would
    not lie in it.
    """

    def psp_forward(self, inputs: Sequence[Tensor]) -> Tensor:
        maps = torch.cat([inputs[-1], *self.psp_modules(inputs[-1])], dim=1)
        return self.bottleneck(maps.contiguous(memory_format=format_for_heads(maps.device, self.training)))


@MODELS.register_module()
class SegmentorTTA(SegTTAModel):
    """Averages the class probabilities over several views of each image.

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
