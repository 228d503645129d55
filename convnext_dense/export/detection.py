"""Graph of a whole detector: mmdet's layers, joined by steps whose shapes can be exported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchvision.ops import nms, roi_align

from ..io.image_size import ImageSize
from .graphs import Graph, Normalization, class_with

NMS_SETTINGS = {'type', 'iou_threshold', 'class_agnostic', 'split_thr'}
"""Settings of mmcv's NMS that the graph follows; ``split_thr`` changes memory use, not results."""


STEPS: Mapping[str, Mapping[str, Sequence[str]]] = {
    'detector': {'extract_feat': ['TwoStageDetector'], 'predict': ['TwoStageDetector']},
    'rpn_head': {'_predict_by_feat_single': ['RPNHead'], '_bbox_post_process': ['RPNHead']},
    'roi_head': {
        'predict': ['BaseRoIHead'],
        **{
            method: ['StandardRoIHead', 'CascadeRoIHead']
            for method in ('predict_bbox', '_bbox_forward', 'predict_mask', '_mask_forward')
        },
    },
    'bbox_head': {'predict_by_feat': ['BBoxHead'], '_predict_by_feat_single': ['BBoxHead']},
    'mask_head': {
        'forward': ['FCNMaskHead'],
        'predict_by_feat': ['FCNMaskHead'],
        '_predict_by_feat_single': ['FCNMaskHead'],
    },
    'extractor': {
        'forward': ['SingleRoIExtractor', 'RoIExtractor'],
        'map_roi_levels': ['SingleRoIExtractor'],
    },
}
"""Steps of mmdet's prediction that the graph repeats: of each part, the methods, and the classes whose way it is."""


class SelectionsForPools(TorchFunctionMode):
    """Mode in which pools over single cells, with which a neck makes further levels, select every other cell instead.

    The values are the same. For a pool torch.export fixes whether the size is even, for a slice the order of strides.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.max_pool2d and args[1:] == (1,) and not kwargs.get('padding') and kwargs.get('stride'):
            image = args[0]
            for dim in (2, 3):
                chosen = torch.arange(0, image.shape[dim], kwargs['stride'], device=image.device)
                image = image.index_select(dim, chosen)
            return image
        return func(*args, **kwargs)


class Instances(Graph):
    """Graph of the boxes, scores, classes and masks of one image, for detectors with an RPN and RoI heads.

    The values equal those of ``model.predict``, except that masks are the head's outputs of 28 x 28: the caller pastes
    them into the image. Padding to a multiple of the stride is inside, so the image may have any size. Inside the
    graph the number of proposals is fixed, padded with empty boxes of score 0, so that only the shape of the NMS's
    output depends on the image.

    :func:`obstacle` tells whether the graph follows a detector.
    """

    outputs = {
        'boxes': 'float32 (D, 4), x1, y1, x2, y2 in pixels of the input, the highest score first',
        'scores': 'float32 (D,), 0 to 1',
        'labels': 'int64 (D,), the class of each box',
        'masks': 'float32 (D, 28, 28), probability of the mask over the area of its box',
    }
    one_image = True

    def __init__(self, model: Any, normalization: Normalization) -> None:
        super().__init__(model, normalization)
        self.model = model
        self.with_masks = model.roi_head.with_mask
        # of two cells at the coarsest level, since torch.export takes a size of 1 for a constant
        coarsest = max(max(stride) for stride in model.rpn_head.prior_generator.strides)
        self.smallest = max(self.smallest, 2 * coarsest)
        if not self.with_masks:
            self.outputs = {name: text for name, text in self.outputs.items() if name != 'masks'}
        else:
            self.left_out += (
                ', pasting each mask into its box, where it takes the pixels of at least '
                f'{model.roi_head.test_cfg.mask_thr_binary:g}'
            )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        with SelectionsForPools():
            features = self.model.extract_feat(self._padded(self.normalized(image)))
        proposals = self._proposals(features, image.shape[2:])
        boxes, scores, labels = self._boxes(features, proposals, image.shape[2:])
        if not self.with_masks:
            return boxes, scores, labels
        count = boxes.shape[0]
        masks = self._masks(features, _pad_boxes(boxes, self.model.roi_head.test_cfg.max_per_img), labels)
        return boxes, scores, labels, masks[:count]

    def as_predicted(self, outputs: Sequence[Tensor], size: ImageSize) -> list[dict[str, np.ndarray]]:
        found = {name: output.numpy() for name, output in zip(self.outputs, outputs, strict=True)}
        if self.with_masks:
            masks, boxes = outputs[3], outputs[0]
            found['masks'] = (paste(masks, boxes, size) >= self.model.roi_head.test_cfg.mask_thr_binary).numpy()
        return [found]

    def _padded(self, image: Tensor) -> Tensor:
        """Pad at the bottom and the right with zeros, as mmdet's ``DetDataPreprocessor`` does."""
        preprocessor = self.model.data_preprocessor
        divisor = preprocessor.pad_size_divisor
        # no quotient is negative, since ONNX rounds those up
        height, width = ((side + divisor - 1) // divisor * divisor - side for side in image.shape[2:])
        return F.pad(image, (0, width, 0, height), value=preprocessor.pad_value)

    def _proposals(self, features: tuple[Tensor, ...], size: torch.Size) -> Tensor:  # (R, 4)
        head = self.model.rpn_head
        cfg = head.test_cfg
        priors = head.prior_generator.grid_priors([level.shape[2:] for level in features], device=features[0].device)
        candidates = []
        for level, (logits, deltas) in enumerate(zip(*head(features), strict=True)):
            logits = logits[0].permute(1, 2, 0).reshape(-1, head.cls_out_channels)
            scores = logits[:, 0].sigmoid() if head.use_sigmoid_cls else logits.softmax(dim=1)[:, 0]
            scores, order = scores.topk(torch.sym_min(cfg.nms_pre, scores.shape[0]))
            deltas = deltas[0].permute(1, 2, 0).reshape(-1, 4)[order]
            boxes = head.bbox_coder.decode(priors[level][order], deltas, max_shape=size)
            candidates.append((boxes, scores, torch.full_like(order, level)))
        boxes, scores, levels = (torch.cat(parts) for parts in zip(*candidates, strict=True))
        wide_enough = (boxes[:, 2:] - boxes[:, :2] > max(cfg.get('min_bbox_size', 0), 0)).all(dim=1)
        chosen = wide_enough.nonzero()[:, 0]
        boxes, scores, levels = boxes[chosen], scores[chosen], levels[chosen]
        kept = nms(_separate_groups(boxes, levels, cfg.nms), scores, cfg.nms.iou_threshold)
        return _pad_boxes(boxes[kept], cfg.max_per_img)

    def _boxes(
        self, features: tuple[Tensor, ...], proposals: Tensor, size: torch.Size
    ) -> tuple[Tensor, Tensor, Tensor]:
        roi_head = self.model.roi_head
        heads, extractors = _stages(roi_head.bbox_head), _stages(roi_head.bbox_roi_extractor)
        real = (proposals[:, 2:] > proposals[:, :2]).all(dim=1)
        boxes, all_logits = proposals, []
        for stage, (head, extractor) in enumerate(zip(heads, extractors, strict=True)):
            logits, deltas = head(_pooled(features, boxes, extractor))
            all_logits.append(logits)
            if stage < len(heads) - 1:
                boxes = head.regress_by_class(boxes, logits[:, :-1].argmax(dim=1), deltas, {'img_shape': size})
        scores = (sum(all_logits) / len(all_logits)).softmax(dim=1)[:, :-1] * real[:, None]
        classes = scores.shape[1]
        boxes_per_roi = 1 if head.reg_class_agnostic else classes
        decoded = head.bbox_coder.decode(
            boxes[:, None].expand(-1, boxes_per_roi, 4).reshape(-1, 4), deltas.reshape(-1, 4), max_shape=size
        )
        decoded = decoded.view(-1, boxes_per_roi, 4).expand(-1, classes, 4).reshape(-1, 4)
        cfg = roi_head.test_cfg
        chosen = (scores.flatten() > cfg.score_thr).nonzero()[:, 0]
        boxes, scores, labels = decoded[chosen], scores.flatten()[chosen], chosen % classes
        kept = nms(_separate_groups(boxes, labels, cfg.nms), scores, cfg.nms.iou_threshold)[: cfg.max_per_img]
        return boxes[kept], scores[kept], labels[kept]

    def _masks(self, features: tuple[Tensor, ...], boxes: Tensor, labels: Tensor) -> Tensor:
        roi_head = self.model.roi_head
        labels = torch.cat([labels, labels.new_zeros(len(boxes))])[: len(boxes)]
        pairs = list(zip(_stages(roi_head.mask_head), _stages(roi_head.mask_roi_extractor), strict=True))
        masks = sum(head(_pooled(features, boxes, extractor)).sigmoid() for head, extractor in pairs) / len(pairs)
        if masks.shape[1] == 1:
            return masks[:, 0]
        return masks[torch.arange(len(boxes), device=masks.device), labels]


def paste(masks: Tensor, boxes: Tensor, size: ImageSize) -> Tensor:
    """Paste masks into their boxes, by bilinear interpolation between the centers of their cells.

    Args:
        masks: (D, S, S), probabilities.
        boxes: (D, 4), x1, y1, x2, y2 in pixels of the image.
        size: height and width of the image.

    Returns:
        (D, H, W), probabilities; 0 outside of the boxes.
    """
    pasted = [torch.zeros(0, *size)]
    for mask, box in zip(masks, boxes, strict=True):  # one by one, to save memory
        x, y = (
            (torch.arange(length) + 0.5 - box[i]) / (box[i + 2] - box[i]) * 2 - 1
            for i, length in enumerate((size.width, size.height))
        )
        grid = torch.stack([x.expand(size.height, -1), y[:, None].expand(-1, size.width)], dim=2)
        pasted.append(F.grid_sample(mask[None, None], grid[None], align_corners=False)[0])
    return torch.cat(pasted)


def obstacle(model: Any) -> str | None:
    """Return the reason why :class:`Instances` would not compute what a detector predicts; None if it does.

    The reason names the first part or setting that the graph does not follow.
    """
    roi_head: Any = getattr(model, 'roi_head', None)
    rpn_head: Any = getattr(model, 'rpn_head', None)
    if not getattr(roi_head, 'with_bbox', False) or rpn_head is None:
        return 'only Faster, Mask and Cascade R-CNN are, with an RPN and RoI heads'
    wrong = next(_own_ways(model), None)  # without any, it has the settings of the steps
    if wrong is None:
        settings = chain(_other_settings('rpn', rpn_head.test_cfg), _other_settings('rcnn', roi_head.test_cfg))
        wrong = next(settings, None)
    return None if wrong is None else f'the file would not follow {wrong}'


def _own_ways(model: Any) -> Iterator[str]:
    """Yield the parts of a detector that override a step that the graph repeats."""
    roi_head = model.roi_head
    parts = [('detector', model), ('rpn_head', model.rpn_head), ('roi_head', roi_head)]
    for name in ('bbox', 'mask') if roi_head.with_mask else ('bbox',):
        parts += [(f'{name}_head', head) for head in _stages(getattr(roi_head, f'{name}_head'))]
        parts += [('extractor', part) for part in _stages(getattr(roi_head, f'{name}_roi_extractor'))]
    for kind, part in parts:
        for method, owners in STEPS[kind].items():
            if class_with(part, method) not in owners:
                yield f'{type(part).__name__}, which is no {owners[0]} or has a {method} of its own'
        if kind == 'bbox_head' and part.custom_cls_channels:
            yield f'{type(part.loss_cls).__name__} with an activation of its own'
    if roi_head.with_shared_head:
        yield 'a RoI head with a shared_head'


def _other_settings(place: str, cfg: Any) -> Iterator[str]:
    """Yield the settings for testing that the graph does not follow."""
    settings = dict(cfg.get('nms') or {'type': None})
    others = [f'{key}={value}' for key, value in settings.items() if key not in NMS_SETTINGS]
    if settings.get('type', 'nms') != 'nms':
        others.insert(0, f'type={settings["type"]}')
    if others:
        yield f'test_cfg.{place}.nms with {", ".join(others)}'
    for key in ('nms_pre', 'max_per_img') if place == 'rpn' else ('max_per_img',):
        if cfg.get(key, -1) <= 0:
            yield f'test_cfg.{place}.{key}={cfg.get(key)}'


def _stages(parts: nn.Module) -> list[Any]:
    """Return the heads or extractors of a cascade's stages; a detector without a cascade has one stage."""
    return list(parts) if isinstance(parts, nn.ModuleList) else [parts]


def _pad_boxes(boxes: Tensor, count: int) -> Tensor:
    """Return the first ``count`` boxes, padded with empty boxes if there are fewer."""
    return torch.cat([boxes, boxes.new_zeros(count, 4)])[:count]


def _separate_groups(boxes: Tensor, groups: Tensor, cfg: Any) -> Tensor:
    """Offset the boxes so that boxes of different groups do not overlap, as in mmcv's ``batched_nms``."""
    if cfg.get('class_agnostic'):
        return boxes
    largest = torch.cat([boxes.flatten(), boxes.new_zeros(1)]).max()
    return boxes + groups[:, None] * (largest + 1)


def _pooled(features: tuple[Tensor, ...], boxes: Tensor, extractor: Any) -> Tensor:  # (R, C, S, S)
    """Pool the features of each box from the level for its size, as in mmdet's ``SingleRoIExtractor``."""
    rois = torch.cat([boxes.new_zeros(len(boxes), 1), boxes], dim=1)
    levels = extractor.map_roi_levels(rois, extractor.num_inputs)
    layer = extractor.roi_layers[0]
    pooled = features[0].new_zeros(len(boxes), features[0].shape[1], *layer.output_size)
    for level, (feature, layer) in enumerate(zip(features, extractor.roi_layers, strict=False)):
        chosen = (levels == level).nonzero()[:, 0]
        crops = roi_align(
            feature, rois[chosen], layer.output_size, layer.spatial_scale, layer.sampling_ratio, layer.aligned
        )
        pooled = pooled.index_put((chosen,), crops)
    return pooled
