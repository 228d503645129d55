"""COCO's average precision of boxes and masks."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from pycocotools import mask as rle

from ..errors import UserError
from ..io.coco_format import COCOS_LIMIT, IGNORE_REGION, CocoResult, Instance, RunLengths
from ..io.image_size import ImageSize
from ..registry import METRICS
from ..results import encode_masks
from ..results.rle import encode_crops
from ..tiling.tile_objects import MaskCrop

PREFIXES = {'bbox': 'box', 'segm': 'mask'}


@METRICS.register_module()
class CocoAP(BaseMetric):
    """COCO's average precision (AP), in percent, of boxes and of masks.

    ``box_AP`` is the mean over the IoU thresholds 0.5 to 0.95, ``box_AP50`` and ``box_AP75`` are at one threshold;
    ``box_APs``, ``box_APm`` and ``box_APl`` are for objects of less than 32^2 pixels, of up to 96^2, and of more.
    ``mask_AP`` and so on are the corresponding values for masks, and ``images`` is the number of images. Values
    without ground truth, such as ``box_APl`` if there are no large objects, are omitted.

    After an evaluation ``per_class`` has the AP and AP50 of every class with ground truth:
    ``{'cat': {'box_AP': 41.2, 'box_AP50': 60.3, 'mask_AP': ...}}``.

    As in COCO, the 100 predictions of an image and class with the highest scores count; or as many as the most objects
    that an image has of a class, if these are more, which is logged once.

    The ground truth is taken from the data samples, as ``instances`` of our ``CocoDataset``, so that unreadable images
    don't count. An ignore region with the label :data:`~convnext_dense.io.coco_format.IGNORE_REGION` is one for all
    classes. The classes are in the ``metainfo`` of the data set. In ground truth with masks, an object without one
    counts for boxes only; for masks it is a crowd of the shape of its box.

    Attributes:
        takes_crops: predicted masks may be cropped; see :func:`coco_results`.

    Args:
        iou_types: ``'bbox'`` and ``'segm'``; the latter is omitted if predictions or ground truth have no masks.

    Raises:
        UserError: if the data samples have no ``instances``.
    """

    default_prefix = ''
    takes_crops = True
    results: list[dict]

    def __init__(self, iou_types: Sequence[str] = ('bbox', 'segm')) -> None:
        super().__init__()
        self.iou_types = tuple(iou_types)
        self.per_class: dict[str, dict[str, float]] = {}
        self._said: set[str] = set()  # lines that are logged once

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Collect mmdet's data samples: ``img_id``, ``ori_shape``, ``instances`` and ``pred_instances``."""
        if 'category_ids' not in self.dataset_meta:
            raise UserError(
                'CocoAP takes the ground truth of convnext_dense.CocoDataset: evaluate another data set with its own '
                "metric, such as val_evaluator=dict(type='mmdet.CocoMetric', ann_file=...)"
            )
        labels = range(len(self.dataset_meta['classes']))
        for sample in data_samples:
            if 'instances' not in sample:
                raise UserError(
                    "the data samples have no ground truth: add 'instances' to meta_keys of mmdet.PackDetInputs in "
                    'the pipeline for evaluation'
                )
            if 'pred_instances' not in sample:
                raise UserError('the model predicts no instances: set model.test_cfg.instance_on=True')
            height, width = sample['ori_shape']
            self.results.append(
                {
                    'image': {'id': sample['img_id'], 'height': height, 'width': width},
                    'path': str(sample.get('img_path', '')),  # images of several files may have the same id
                    'ground_truth': [_ground_truth(instance) for instance in sample['instances']],
                    'predictions': coco_results([sample], labels),
                    'masks': 'masks' in sample['pred_instances'],
                }
            )

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the metrics of all processes' images in the main process, each image once."""
        own = list(self.results)  # not by mmengine, which looks for tensors in every coordinate of every polygon
        self.results.clear()
        results = {
            (result['image']['id'], result['path']): result for part in all_gather_object(own) for result in part
        }
        metrics = [self.compute_metrics(list(results.values())) if is_main_process() else {}]
        broadcast_object_list(metrics)
        return metrics[0]

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute the metrics from the collected images."""
        metrics: dict[str, float] = {}
        self.per_class = {name: {} for name in self.dataset_meta['classes']}
        most = _most_objects(results)
        if most > COCOS_LIMIT:
            self._say_once(
                f'an image has {most} objects of a class: AP counts as many predictions of an image and class, where '
                f'COCO counts {COCOS_LIMIT}',
                logging.INFO,
            )
        for iou_type in self.iou_types:
            if iou_type == 'segm':
                self._say_if_unmeasured(results)
            if not results or (iou_type == 'segm' and not _have_masks(results)):
                continue
            precision = _precision(results, len(self.per_class), iou_type, max(most, COCOS_LIMIT))
            metrics |= _averages(precision, PREFIXES[iou_type])
            for label, entry in enumerate(self.per_class.values()):
                of_class = _averages(precision[:, :, label : label + 1], PREFIXES[iou_type])
                entry |= {name: value for name, value in of_class.items() if name.endswith(('_AP', '_AP50'))}
        self.per_class = {name: entry for name, entry in self.per_class.items() if entry}
        metrics['images'] = len(results)
        return metrics

    def _say_if_unmeasured(self, results: Sequence[dict]) -> None:
        """Say once that predicted masks are not measured, since the ground truth has none."""
        if results and all(one['masks'] for one in results) and not _have_masks(results):
            self._say_once('mask AP is not measured: the ground truth has no masks', logging.WARNING)

    def _say_once(self, line: str, level: int) -> None:
        if line not in self._said:
            print_log(line, 'current', level)
            self._said.add(line)


def coco_results(data_samples: Iterable[dict], category_ids: Sequence[int]) -> list[CocoResult]:
    """Convert predictions to the format of COCO's results files.

    Args:
        data_samples: mmdet's data samples as dicts: ``img_id`` and ``pred_instances`` with ``bboxes`` (N, 4) as
            [x1, y1, x2, y2] in pixels, ``scores`` (N), ``labels`` (N) and optional ``masks`` (N, H, W), bool, or N
            crops of them and ``ori_shape``.
        category_ids: the category id of each label.

    Returns:
        An entry for each box, with a compressed RLE if there are masks.
    """
    results: list[CocoResult] = []
    for sample in data_samples:
        instances = sample['pred_instances']
        corners = instances['bboxes'].double()
        boxes = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1).tolist()
        labels = instances['labels'].long().tolist()  # some heads give floats
        rows = zip(labels, boxes, instances['scores'].tolist(), strict=True)
        entries: list[CocoResult] = [
            {'image_id': sample['img_id'], 'category_id': category_ids[label], 'bbox': box, 'score': score}
            for label, box, score in rows
        ]
        if 'masks' in instances:
            for entry, mask in zip(entries, _encoded(instances['masks'], sample.get('ori_shape')), strict=True):
                entry['segmentation'] = mask
        results += entries
    return results


def _encoded(masks: torch.Tensor | Sequence[MaskCrop], shape: Sequence[int] | None) -> list[RunLengths]:
    if isinstance(masks, torch.Tensor):
        return encode_masks(masks.cpu().numpy())
    assert shape is not None
    return encode_crops(masks, ImageSize(*shape[:2]))


def _most_objects(results: Sequence[dict]) -> int:
    """Return the largest number of objects of a class in an image, without crowds."""
    counts = (
        Counter(one['category_id'] for one in result['ground_truth'] if not one['iscrowd']) for result in results
    )
    return max((max(count.values(), default=0) for count in counts), default=0)


def _ground_truth(instance: Instance) -> dict[str, Any]:
    """Convert an instance to a COCO annotation whose category is the label, without ids."""
    x1, y1, x2, y2 = instance['bbox']
    annotation: dict[str, Any] = {
        'category_id': instance['bbox_label'],
        'bbox': [x1, y1, x2 - x1, y2 - y1],
        'area': instance['area'],
        'iscrowd': instance['ignore_flag'],
    }
    if 'mask' in instance:
        annotation['segmentation'] = instance['mask']
    return annotation


def _have_masks(results: Sequence[dict]) -> bool:
    annotations = [annotation for result in results for annotation in result['ground_truth']]
    has_masks = not annotations or any('segmentation' in annotation for annotation in annotations)
    return has_masks and all(result['masks'] for result in results)


def _precision(results: Sequence[dict], classes: int, iou_type: str, limit: int) -> np.ndarray:
    """Compute COCO's precision of each label, from up to ``limit`` predictions per image and class.

    The images are numbered anew in the order of their ids, which decides between equal scores: the evaluation does not
    take every integer as an id.

    Returns:
        (10 IoU thresholds, 101 recalls, K labels, 4 areas: all, small, medium, large), -1 without ground truth.
    """
    results = sorted(results, key=lambda result: (result['image']['id'], result['path']))
    images = [{**result['image'], 'id': number} for number, result in enumerate(results, 1)]
    ground_truth, predictions = [], []
    for number, result in enumerate(results, 1):
        annotations = _for_each_class(result['ground_truth'], result['predictions'])
        ground_truth += [{**_with_mask(a, iou_type), 'image_id': number} for a in annotations]
        predictions += [
            {**p, 'image_id': number, 'area': _area(p, iou_type), 'iscrowd': 0} for p in result['predictions']
        ]
    frame = {'images': images, 'categories': [{'id': label} for label in range(classes)]}
    ground_truth_index, predictions_index = (
        COCO({**frame, 'annotations': [{**a, 'id': number} for number, a in enumerate(annotations, 1)]})
        for annotations in (ground_truth, predictions)
    )
    evaluation = COCOeval_faster(ground_truth_index, predictions_index, iou_type, print_function=lambda *_: None)
    evaluation.params.maxDets = [*evaluation.params.maxDets[:-1], limit]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval['precision'][..., -1]


def _for_each_class(ground_truth: Sequence[dict], predictions: Sequence[dict]) -> list[dict]:
    """Repeat the ignore regions of no class, such as those of ignored classes, for each class that is predicted."""
    predicted = sorted({prediction['category_id'] for prediction in predictions})
    return [
        {**annotation, 'category_id': label}
        for annotation in ground_truth
        for label in (predicted if annotation['category_id'] == IGNORE_REGION else [annotation['category_id']])
    ]


def _with_mask(annotation: dict[str, Any], iou_type: str) -> dict[str, Any]:
    """Make a crowd of an annotation without a mask where masks are compared."""
    if iou_type == 'bbox' or 'segmentation' in annotation:
        return annotation
    x, y, w, h = annotation['bbox']
    return {**annotation, 'iscrowd': 1, 'segmentation': [[x, y, x + w, y, x + w, y + h, x, y + h]]}


def _area(prediction: dict, iou_type: str) -> float:
    if iou_type == 'bbox':
        return prediction['bbox'][2] * prediction['bbox'][3]
    return float(rle.area(prediction['segmentation']))  # one by one: pycocotools fails if given more than 255


def _averages(precision: np.ndarray, name: str) -> dict[str, float]:
    """Average the result of :func:`_precision`, (10, 101, K, 4), to the APs that have ground truth."""
    parts = {
        'AP': precision[..., 0],
        'AP50': precision[0, ..., 0],
        'AP75': precision[5, ..., 0],
        'APs': precision[..., 1],
        'APm': precision[..., 2],
        'APl': precision[..., 3],
    }
    return {f'{name}_{kind}': 100 * float(p[p > -1].mean()) for kind, p in parts.items() if (p > -1).any()}
