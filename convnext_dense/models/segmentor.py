"""Extensions of mmseg's segmentors: prediction that saves memory, two decode heads, and test-time augmentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from mmengine.logging import MMLogger
from mmengine.structures import PixelData
from torch import Tensor, nn

from ..compat.albu_random import seed_albu
from ..compat.mmdet_call_warnings import silence_call_warnings
from ..compat.mmdet_imports import light_imports
from ..errors import UserError
from ..registry import MODELS
from .band_preprocessor import TakesBands
from .label_map import Window, labels_of_probabilities, labels_with_confidence, score_map
from .memory_format import format_for_heads

with light_imports():
    from mmseg.datasets.transforms import Albu  # registers data sets and transforms, as the next does models
    from mmseg.models.data_preprocessor import SegDataPreProcessor
    from mmseg.models.decode_heads import Mask2FormerHead, MaskFormerHead, dm_head, uper_head
    from mmseg.models.decode_heads.decode_head import BaseDecodeHead
    from mmseg.models.segmentors import EncoderDecoder, SegTTAModel
    from mmseg.structures import SegDataSample

silence_call_warnings()
seed_albu(Albu)


@MODELS.register_module()
class SegBandPreprocessor(TakesBands, SegDataPreProcessor):
    """mmseg's ``SegDataPreProcessor`` for any number of bands."""


@MODELS.register_module()
class Segmentor(EncoderDecoder):
    """mmseg's ``EncoderDecoder`` that predicts labels without keeping the logits.

    mmseg holds several copies of the logits of all classes at the size of the image: 210 MB each for 150 classes and
    512 x 683 pixels. Here only a few rows are enlarged at a time; see :func:`label_map`. ``pred_sem_seg`` is uint8
    (1, H, W) for up to 256 classes.

    The masks of a head with queries (``MaskFormerHead``, ``Mask2FormerHead``) are enlarged so, too: 250 of them at
    640 x 2560 pixels take 1.6 GB, of which mmseg holds several copies.

    If ``test_cfg.keep_logits`` is set, predictions have mmseg's ``seg_logits`` as well, which its ``SegTTAModel``
    needs. mmseg's own ``predict`` is used for them, if the head has one output channel, and if it overrides
    ``predict`` or ``predict_by_feat`` otherwise. Of one channel, mmseg's ``seg_logits`` are probabilities; of queries,
    the scores of the classes.

    If ``test_cfg.keep_confidence`` is set, they have ``confidence``, float16 (1, H, W): the probability of each label.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _check_windows(self.test_cfg or {})

    def predict(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> list[SegDataSample]:
        """Predict the labels of images (N, 3, H, W), at each sample's ``ori_shape``."""
        keeps, queries = bool(self.test_cfg.get('keep_logits')), _predicts_by_queries(self.decode_head)
        measures = bool(self.test_cfg.get('keep_confidence'))
        if not queries and (keeps or not _independent_classes(self.decode_head)):
            predicted = super().predict(inputs, data_samples)
            for sample in predicted if measures else ():
                set_confidence(sample, _probabilities(self._last_head, sample.seg_logits.data))
            return predicted
        if data_samples is None:
            data_samples = [SegDataSample() for _ in inputs]
        of_images = list(zip(*self._windows(inputs), strict=True))
        for own, sample in zip(of_images, data_samples, strict=True):
            place = own, inputs.shape[2:], sample.metainfo, self.align_corners
            if keeps:
                scores = score_map(*place)
                sample.set_data({'seg_logits': PixelData(data=scores)})
                labels, shares = scores.argmax(0), None
            else:
                confidence = self.confidence if measures else None
                labels, shares = labels_with_confidence(*place, confidence)
            sample.set_data({'pred_sem_seg': PixelData(data=labels[None])})
            if shares is not None:
                sample.set_data({'confidence': PixelData(data=shares[None])})
            elif measures:
                set_confidence(sample, scores)
        return data_samples

    def confidence(self, scores: Tensor, dim: int = -1) -> Tensor:
        """Return the probability of the class with the highest score, in [0, 1].

        Args:
            scores: any shape: logits of several classes, or of a head with queries sums of probabilities.
            dim: dimension of the classes, which is left out.
        """
        highest = scores.amax(dim)
        if _predicts_by_queries(self._last_head):
            return highest.clamp(max=1)
        return highest.sigmoid() if _uses_sigmoid(self._last_head) else (highest - scores.logsumexp(dim)).exp()

    @property
    def _last_head(self) -> Any:
        head: Any = self.decode_head
        return head[-1] if isinstance(head, nn.ModuleList) else head  # the last of a cascade predicts

    def _windows(self, inputs: Tensor) -> Iterator[list[Window]]:
        """Yield what is predicted in each window, for each of the images."""
        crop, stride = inputs.shape[2:], (1, 1)
        if self.test_cfg.get('mode', 'whole') == 'slide':
            crop, stride = self.test_cfg.crop_size, self.test_cfg.stride
        for rows in _spans(inputs.shape[2], crop[0], stride[0]):
            for columns in _spans(inputs.shape[3], crop[1], stride[1]):
                window = inputs[:, :, rows, columns]
                features = self.extract_feat(window)
                if _predicts_by_queries(self.decode_head):
                    classes, masks = self.decode_head(features, _samples_of_size(window))
                    shares = classes[-1].softmax(-1)[..., :-1]
                    yield [Window(rows, columns, *one) for one in zip(masks[-1], shares, strict=True)]
                else:
                    yield [Window(rows, columns, logits) for logits in self.decode_head(features)]


def _check_windows(settings: Mapping[str, Any]) -> None:
    """Check the settings of windows in testing, which would fail at the first validation.

    Raises:
        UserError: for a ``mode`` other than ``'whole'`` and ``'slide'``, and for windows of which ``crop_size`` or
            ``stride`` are not two whole numbers of at least 1.
    """
    mode = settings.get('mode', 'whole')
    if mode not in ('whole', 'slide'):
        raise UserError(f"model.test_cfg.mode is {mode!r}: take 'whole' or 'slide'")
    for key in ('crop_size', 'stride') if mode == 'slide' else ():
        sides = settings.get(key)
        if not isinstance(sides, list | tuple) or len(sides) != 2 or not all(type(s) is int and s > 0 for s in sides):
            raise UserError(f'model.test_cfg.{key} is {sides!r}: windows need height and width, such as (512, 512)')


def _spans(length: int, crop: int, stride: int) -> Iterator[slice]:
    """Yield the windows along a side: each starts a stride after the previous one, the last ends at the side's end."""
    for number in range(max(length - crop + stride - 1, 0) // stride + 1):
        end = min(number * stride + crop, length)
        yield slice(max(end - crop, 0), end)


def _independent_classes(head: Any) -> bool:
    """Check whether the head predicts in mmseg's default way, by the highest of several classes' logits."""
    inherited = all(getattr(type(head), n) is getattr(BaseDecodeHead, n) for n in ('predict', 'predict_by_feat'))
    return inherited and head.out_channels > 1


def _predicts_by_queries(head: Any) -> bool:
    """Check whether the head predicts in the way of mmseg's MaskFormer: by masks of queries and their classes."""
    return getattr(type(head), 'predict', None) in (MaskFormerHead.predict, Mask2FormerHead.predict)


def _samples_of_size(images: Tensor) -> list[SegDataSample]:
    """Return data samples of images (N, 3, H, W) without padding, from which heads with queries take the size."""
    size = tuple(images.shape[2:])
    return [SegDataSample(metainfo=dict(img_shape=size, batch_input_shape=size)) for _ in images]


@MODELS.register_module()
class UPerHead(uper_head.UPerHead):
    """mmseg's ``UPerHead`` that keeps the memory format of its input.

    Maps pooled to 1 x 1 are contiguous in both memory formats, so in mmseg the tensors computed from them lose
    ``channels_last``.
    """

    def psp_forward(self, inputs: Sequence[Tensor]) -> Tensor:
        maps = torch.cat([inputs[-1], *self.psp_modules(inputs[-1])], dim=1)
        return self.bottleneck(maps.contiguous(memory_format=format_for_heads(maps.device, self.training)))


@MODELS.register_module()
class DMHead(dm_head.DMHead):
    """mmseg's ``DMHead`` for features in either memory format.

    Its dynamic convolutions view a batch as one image of all channels, which mmseg's can't in ``channels_last``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for module in self.dcm_modules:
            for convolution in (module.filter_gen_conv, module.input_redu_conv):
                convolution.register_forward_hook(_contiguous)


def _contiguous(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
    return output.contiguous()


@MODELS.register_module()
class LinearHead(BaseDecodeHead):
    """Linear decode head: dropout, batch normalization and a 1x1 convolution from features to logits.

    It shows what frozen features hold, as in the linear evaluations of DINOv2 and DINOv3
    (github.com/facebookresearch/dinov3: ``eval/segmentation/models/heads/linear_head.py``). Losses, resizing and the
    sampler of pixels are those of mmseg's ``BaseDecodeHead``, of which it takes all arguments but two.

    Args:
        in_channels: channels of the features; several numbers for the features of several stages, which are resized
            to the first one's size and concatenated.
        in_index: the features' place among those of the backbone; as many numbers as ``in_channels``.
        norm_cfg: config of the batch normalization; None for SyncBN.

    Raises:
        UserError: if there are not as many ``in_channels`` as ``in_index``.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        *,
        in_index: int | Sequence[int] = -1,
        norm_cfg: dict | None = None,
        **kwargs: Any,
    ) -> None:
        channels, places = ([one] if isinstance(one, int) else list(one) for one in (in_channels, in_index))
        if len(channels) != len(places):
            raise UserError(
                f'decode_head.in_channels {in_channels} and in_index {in_index} are not of as many features: give '
                'both a number, or lists of one length'
            )
        several = not isinstance(in_channels, int)
        super().__init__(
            channels if several else channels[0],
            sum(channels),
            in_index=places if several else places[0],
            input_transform='resize_concat' if several else None,
            norm_cfg=norm_cfg or dict(type='SyncBN'),
            **kwargs,
        )
        _, self.norm = build_norm_layer(self.norm_cfg, self.channels)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the logits (N, K, H, W) of features of several stages, at the size of the first one in use."""
        x = self._transform_inputs(inputs)
        x = x if self.dropout is None else self.dropout(x)
        return self.conv_seg(self.norm(x))


@MODELS.register_module()
class SegmentorTTA(SegTTAModel):
    """Test-time augmentation of a segmentor: the class probabilities of all views of an image are averaged.

    Args:
        module: config of the segmentor.
        mode: inference mode for each view: ``'whole'``, as in the official multi-scale results, or ``'slide'``, as in
            single-scale testing.

    Attributes:
        keeps_scores: whether predictions have the mean probabilities as ``seg_logits``.

    Raises:
        UserError: for any other ``mode``.
    """

    keeps_scores = False

    def __init__(self, module: dict, mode: str = 'whole') -> None:
        super().__init__(module)
        if mode not in ('whole', 'slide'):
            raise UserError(f"tta_model.mode {mode!r} does not exist: take 'whole' or 'slide'")
        self.module.test_cfg.update(mode=mode, keep_logits=True)  # averaging needs the logits
        MMLogger.get_current_instance().info(f'multi-scale testing with flips, {mode} inference of each view')

    def test_step(self, data: dict) -> list[SegDataSample]:
        views = zip(data['inputs'], data['data_samples'], strict=True)
        return self._merge(self.module.test_step(dict(inputs=i, data_samples=d)) for i, d in views)

    def merge_preds(self, data_samples_list: Sequence[Sequence[SegDataSample]]) -> list[SegDataSample]:
        """Label each image by the mean probabilities of its views, all of which are at the image's own size.

        The first view's sample is returned, with its ground truth.
        """
        return self._merge(zip(*data_samples_list, strict=True))

    def _merge(self, views: Iterable[Sequence[SegDataSample]]) -> list[SegDataSample]:
        """Merge predictions of one view after the other, of which only one is in memory at a time."""
        head: Any = self.module.decode_head
        head = head[-1] if isinstance(head, nn.ModuleList) else head  # the last of a cascade predicts
        threshold, count = (head.threshold if head.out_channels == 1 else None), 0
        first: Sequence[SegDataSample] = ()
        sums: list[Tensor] = []
        for samples in views:
            scores = [_probabilities(head, sample.seg_logits.data) for sample in samples]
            for sample in samples:
                del sample.seg_logits
            sums = [total.add_(one) for total, one in zip(sums, scores, strict=True)] if sums else scores
            first, count = first or samples, count + 1
        for sample, total in zip(first, sums, strict=True):
            labels = labels_of_probabilities(total / count, threshold, dim=0)
            sample.set_data({'pred_sem_seg': PixelData(data=labels[None])})
            if self.module.test_cfg.get('keep_confidence'):
                set_confidence(sample, total / count)
            if self.keeps_scores:
                sample.set_data({'seg_logits': PixelData(data=total / count)})
        return list(first)


def set_confidence(sample: SegDataSample, probabilities: Tensor) -> None:
    """Set the confidence of a sample's labels.

    Args:
        sample: with ``pred_sem_seg``.
        probabilities: of the classes, (K, H, W); or of class 1, (1, H, W).
    """
    if len(probabilities) == 1:
        own = probabilities[0]
        shares = torch.where(sample.pred_sem_seg.data[0] == 1, own, 1 - own)
    else:
        shares = probabilities.amax(0).clamp(max=1)
    sample.set_data({'confidence': PixelData(data=shares.half()[None])})


def _probabilities(head: Any, logits: Tensor) -> Tensor:
    """Return the class probabilities (K, H, W) of what ``predict`` keeps as ``seg_logits``.

    Of a single channel those are probabilities already, and of queries sums of probabilities, whose mean over views
    decides, as in Mask2Former's own multi-scale testing. A head whose losses all use a sigmoid, such as binary
    cross-entropy for each class, has independent probabilities; any other, those of a softmax.
    """
    if head.out_channels == 1 or _predicts_by_queries(head):
        return logits
    return logits.sigmoid() if _uses_sigmoid(head) else logits.softmax(dim=0)


def _uses_sigmoid(head: Any) -> bool:
    """Check whether all losses of a head are those of independent probabilities for each class."""
    loss = getattr(head, 'loss_decode', None)
    losses = loss if isinstance(loss, nn.ModuleList) else [loss]
    return all(getattr(loss, 'use_sigmoid', False) for loss in losses)
