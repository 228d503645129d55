"""Graph of a whole detector: mmdet's layers, joined by steps whose shapes can be exported."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import nms, roi_align

from .graphs import Graph, Normalization


class Instances(Graph):
    """Graph of the boxes, scores, classes and masks of one image, for Mask R-CNN and Cascade Mask R-CNN.

    The values equal those of ``model.predict``, except that masks are the head's 28 x 28 outputs: the caller pastes
    them into the image. Inside the graph the number of proposals is fixed, padded with empty boxes of score 0, so that
    only the shape of the NMS's output depends on the image.
    """

    outputs = {
        'boxes': 'float32 (D, 4), x1, y1, x2, y2 in pixels of the input, the highest score first',
        'scores': 'float32 (D,), 0 to 1',
        'labels': 'int64 (D,), the class of each box',
        'masks': 'float32 (D, 28, 28), probability of the mask over the area of its box',
    }
    left_out = 'decoding and resizing the image, pasting each mask into its box'
    one_image = True
    side_multiple = 32

    def __init__(self, model: Any, normalization: Normalization) -> None:
        super().__init__(model, normalization)
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = self.model.neck(self.model.backbone(self.normalized(image)))
        proposals = self._proposals(features, image.shape[2:])
        boxes, scores, labels = self._boxes(features, proposals, image.shape[2:])
        count = boxes.shape[0]
        masks = self._masks(features, _pad_boxes(boxes, self.model.roi_head.test_cfg.max_per_img), labels)
        return boxes, scores, labels, masks[:count]

    def reference(self, image: Tensor) -> tuple[Tensor, ...]:
        model = self.model
        info = {'img_shape': tuple(image.shape[2:])}
        features = model.extract_feat(model.data_preprocessor({'inputs': list(image.flip(1))})['inputs'])  # from BGR
        proposals = model.rpn_head.predict(features, [SimpleNamespace(metainfo=info)], rescale=False)
        (instances,) = model.roi_head.predict_bbox(features, [info], proposals, model.roi_head.test_cfg)
        masks = self._masks(features, instances.bboxes, instances.labels)
        return instances.bboxes, instances.scores, instances.labels, masks

    def _proposals(self, features: tuple[Tensor, ...], size: torch.Size) -> Tensor:  # (R, 4)
        head = self.model.rpn_head
        cfg = head.test_cfg
        priors = head.prior_generator.grid_priors([level.shape[2:] for level in features], device=features[0].device)
        candidates = []
        for level, (logits, deltas) in enumerate(zip(*head(features), strict=True)):
            scores = logits[0].permute(1, 2, 0).reshape(-1).sigmoid()
            scores, order = scores.topk(torch.sym_min(cfg.nms_pre, scores.shape[0]))
            deltas = deltas[0].permute(1, 2, 0).reshape(-1, 4)[order]
            boxes = head.bbox_coder.decode(priors[level][order], deltas, max_shape=size)
            candidates.append((boxes, scores, torch.full_like(order, level)))
        boxes, scores, levels = (torch.cat(parts) for parts in zip(*candidates, strict=True))
        wide_enough = (boxes[:, 2:] - boxes[:, :2] > cfg.min_bbox_size).all(dim=1)
        chosen = wide_enough.nonzero()[:, 0]
        boxes, scores, levels = boxes[chosen], scores[chosen], levels[chosen]
        kept = nms(_separate_groups(boxes, levels), scores, cfg.nms.iou_threshold)
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
        kept = nms(_separate_groups(boxes, labels), scores, cfg.nms.iou_threshold)[: cfg.max_per_img]
        return boxes[kept], scores[kept], labels[kept]

    def _masks(self, features: tuple[Tensor, ...], boxes: Tensor, labels: Tensor) -> Tensor:
        roi_head = self.model.roi_head
        labels = torch.cat([labels, labels.new_zeros(len(boxes))])[: len(boxes)]
        pairs = list(zip(_stages(roi_head.mask_head), _stages(roi_head.mask_roi_extractor), strict=True))
        masks = sum(head(_pooled(features, boxes, extractor)).sigmoid() for head, extractor in pairs) / len(pairs)
        if masks.shape[1] == 1:
            return masks[:, 0]
        return masks[torch.arange(len(boxes), device=masks.device), labels]


def _stages(parts: nn.Module) -> list[Any]:
    """Return the heads or extractors of a cascade's stages; a detector without a cascade has one stage."""
    return list(parts) if isinstance(parts, nn.ModuleList) else [parts]


def _pad_boxes(boxes: Tensor, count: int) -> Tensor:
    """Return the first ``count`` boxes, padded with empty boxes if there are fewer."""
    return torch.cat([boxes, boxes.new_zeros(count, 4)])[:count]


def _separate_groups(boxes: Tensor, groups: Tensor) -> Tensor:
    """Offset the boxes so that boxes of different groups do not overlap, as in mmcv's ``batched_nms``."""
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
