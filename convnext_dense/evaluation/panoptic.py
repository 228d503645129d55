"""Panoptic quality."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric

from ..errors import UserError
from ..io.image_size import ImageSize
from ..io.panoptic import INSTANCE_OFFSET, NO_SEGMENTS, VOID, Segments, read_segments
from ..registry import METRICS

PIXELS_AT_ONCE = 2**22
"""Pixels whose segments are counted at once: what that takes is some 50 bytes for each."""
LEAST_IOU = 0.5
"""IoU above which segments match; a segment has at most one such partner."""


class Tally(NamedTuple):
    """Segments of a class: the IoUs of matches added up, and numbers of matches and of segments without one."""

    iou: float = 0.0
    found: int = 0
    """Matches, TP."""
    false: int = 0
    """Predicted segments without a match, FP."""
    missed: int = 0
    """Segments of the ground truth without a match, FN."""

    def plus(self, other: Tally) -> Tally:
        return Tally(
            self.iou + other.iou, self.found + other.found, self.false + other.false, self.missed + other.missed
        )


class SegmentMatches(NamedTuple):
    """The segments of an image that match.

    Attributes:
        tallies: the tally of each class that has a segment, by label.
        found: ids of the segments of the ground truth that are matched.
        right: ids of the predicted segments that are matched.
        ignored: ids of those that are neither matched nor false, or that have no pixel.
    """

    tallies: dict[int, Tally]
    found: set[int]
    right: set[int]
    ignored: set[int]


def match_segments(truth: Segments, prediction: np.ndarray, labels: Mapping[int, int]) -> dict[int, Tally]:
    """Match the segments of an image, and return the tally of each class that has one; see :func:`find_matches`."""
    return find_matches(truth, prediction, labels).tallies


def find_matches(truth: Segments, prediction: np.ndarray, labels: Mapping[int, int]) -> SegmentMatches:
    """Match the predicted segments of an image with those of its ground truth, as panopticapi does.

    A predicted segment matches one of the same class if the IoU is above 0.5, where the union leaves out what of the
    prediction is in no segment of the ground truth. Crowds are never matched nor missed. A predicted segment without a
    match is not counted as false if more than half of it is in no segment or in crowds of its class.

    Args:
        truth: the ground truth, whose areas are those of its pixels.
        prediction: integers (H, W), the id of the predicted segment of each pixel.
        labels: label of each predicted segment by its id; other ids are of pixels without a prediction.
    """
    found: dict[tuple[int, int], int] = defaultdict(int)
    rows = max(PIXELS_AT_ONCE // max(prediction.shape[1], 1), 1)
    for top in range(0, len(prediction), rows):
        both = [each[top : top + rows].astype(np.int64) for each in (truth.ids, prediction)]
        pairs, counts = np.unique((both[0] << 32) | both[1], return_counts=True)
        for pair, pixels in zip(pairs.tolist(), counts.tolist(), strict=True):
            found[pair >> 32, pair & 0xFFFFFFFF] += pixels
    overlap = dict(sorted(found.items()))
    area: dict[int, int] = defaultdict(int)
    for (_, number), pixels in overlap.items():
        area[number] += pixels
    known = {segment['id']: segment for segment in truth.segments}
    tallies: dict[int, Tally] = defaultdict(Tally)
    in_crowd: dict[int, int] = defaultdict(int)
    matched: dict[str, set[int]] = {'true': set(), 'predicted': set(), 'ignored': set()}
    for (own, number), pixels in overlap.items():
        if own not in known or labels.get(number) != known[own]['label']:
            continue
        if known[own]['iscrowd']:
            in_crowd[number] += pixels
            continue
        union = (known[own]['area'] or 0) + area[number] - pixels - overlap.get((VOID, number), 0)
        if pixels > LEAST_IOU * union:
            tallies[labels[number]] = tallies[labels[number]].plus(Tally(pixels / union, found=1))
            matched['true'].add(own)
            matched['predicted'].add(number)
    for own, segment in known.items():
        if not segment['iscrowd'] and own not in matched['true']:
            tallies[segment['label']] = tallies[segment['label']].plus(Tally(missed=1))
    for number, label in labels.items():
        ignored = overlap.get((VOID, number), 0) + in_crowd[number]
        if number in matched['predicted']:
            continue
        if area[number] and ignored <= LEAST_IOU * area[number]:
            tallies[label] = tallies[label].plus(Tally(false=1))
        else:
            matched['ignored'].add(number)
    return SegmentMatches(dict(tallies), *matched.values())


def predicted_labels(segments: np.ndarray, classes: int) -> dict[int, int]:
    """Return the label of each segment in a panoptic prediction of mmdet, by its id.

    Args:
        segments: integers (H, W), label + :data:`INSTANCE_OFFSET` * number of the instance, or ``classes`` where
            nothing is predicted.
        classes: number of classes.

    Raises:
        UserError: if there is another label.
    """
    numbers = np.unique(segments).tolist()
    labels = {number: number % INSTANCE_OFFSET for number in numbers if number % INSTANCE_OFFSET != classes}
    if any(label > classes for label in labels.values()):
        raise UserError(
            f'the model predicts class {max(labels.values())}, and the data have {classes}: give its heads and its '
            'panoptic_fusion_head the num_things_classes and num_stuff_classes of the data'
        )
    return labels


@METRICS.register_module()
class PanopticQuality(BaseMetric):
    """Panoptic quality (PQ), in percent, with segmentation quality (SQ) and recognition quality (RQ).

    By the matches of :func:`match_segments` in all images, a class has PQ = sum of IoUs / (TP + FP / 2 + FN / 2),
    SQ = sum of IoUs / TP and RQ = TP / (TP + FP / 2 + FN / 2), so that PQ = SQ * RQ (https://arxiv.org/abs/1801.00868,
    as in panopticapi). ``PQ``, ``SQ`` and ``RQ`` are means over all classes with a segment in ground truth or
    predictions that counts, ``PQ_things``, ``PQ_stuff`` and so on over the things and the stuff among them; ``images``
    is the number of images. What has no such class is omitted.

    The area of a segment is the number of its pixels in the PNG file. Where an image has several crowds of a class,
    all of them count for it; panopticapi takes the last one.

    After an evaluation ``per_class`` has the three of every class with such a segment: ``{'sky': {'PQ': 87.1, ...}}``.

    The ground truth is read from the PNG file that the data samples name in ``panoptic``, a
    :class:`~convnext_dense.io.panoptic.PanopticTruth`, so that unreadable images don't count. The classes are in the
    ``metainfo`` of the data set.

    Raises:
        UserError: if the data samples have no ground truth or no panoptic prediction, or their sizes differ.
    """

    default_prefix = ''
    dataset_meta: dict
    results: list[tuple[tuple[int, str], dict[int, Tally]]]  # of each image: its id and path, and its tallies

    def __init__(self) -> None:
        super().__init__()
        self.per_class: dict[str, dict[str, float]] = {}

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Match the segments of mmdet's data samples: ``panoptic`` and ``pred_panoptic_seg``, label map (1, H, W)."""
        if 'stuff_classes' not in self.dataset_meta:
            raise UserError(
                'PanopticQuality takes the ground truth of convnext_dense.PanopticDataset: evaluate another data set '
                'with its own metric'
            )
        classes = len(self.dataset_meta['classes'])
        for sample in data_samples:
            if sample.get('panoptic') is None:
                raise UserError(
                    "the data samples have no ground truth: add 'panoptic' to meta_keys of mmdet.PackDetInputs in "
                    'the pipeline for evaluation'
                )
            if 'pred_panoptic_seg' not in sample:
                raise UserError(NO_SEGMENTS)
            prediction = sample['pred_panoptic_seg']['sem_seg'][0].cpu().numpy()
            truth = read_segments(sample['panoptic'])
            if truth.ids.shape != prediction.shape:
                sizes = f'{ImageSize.of(prediction)}, the ground truth {ImageSize.of(truth.ids)} (height x width)'
                raise UserError(f'{sample.get("img_path")}: the prediction is {sizes}: compare at the original size')
            key = (sample['img_id'], str(sample.get('img_path', '')))
            self.results.append((key, match_segments(truth, prediction, predicted_labels(prediction, classes))))

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the metrics of all processes' images in the main process, each image once."""
        own = list(self.results)
        self.results.clear()
        results = dict(result for part in all_gather_object(own) for result in part)
        metrics = [self.compute_metrics(sorted(results.items(), key=_place)) if is_main_process() else {}]
        broadcast_object_list(metrics)
        return metrics[0]

    def compute_metrics(
        self, results: Sequence[tuple[tuple[int | str, str], Mapping[int, Tally]]]
    ) -> dict[str, float]:
        """Compute the metrics from the tallies of the images."""
        totals: dict[int, Tally] = defaultdict(Tally)
        for _, tallies in results:
            for label, tally in tallies.items():
                totals[label] = totals[label].plus(tally)
        names = self.dataset_meta['classes']
        things = len(names) - len(self.dataset_meta['stuff_classes'])
        qualities = {label: _qualities(totals[label]) for label in sorted(totals)}
        self.per_class = {names[label]: quality for label, quality in qualities.items()}
        metrics: dict[str, float] = {}
        groups = {
            '': list(qualities.values()),
            '_things': [one for label, one in qualities.items() if label < things],
            '_stuff': [one for label, one in qualities.items() if label >= things],
        }
        for ending, group in groups.items():
            for name in group[0] if group else ():
                metrics[f'{name}{ending}'] = float(np.mean([one[name] for one in group]))
        metrics['images'] = len(results)
        return metrics


def _place(result: tuple[tuple[int | str, str], object]) -> tuple:
    """Return a key that sorts the results of images by their ids, numbers before names."""
    (number, path), _ = result
    return isinstance(number, str), number, path


def _qualities(tally: Tally) -> dict[str, float]:
    """Return PQ, SQ and RQ of a class in percent."""
    segments = tally.found + tally.false / 2 + tally.missed / 2
    return {
        'PQ': 100 * tally.iou / segments,
        'SQ': 100 * tally.iou / tally.found if tally.found else 0.0,
        'RQ': 100 * tally.found / segments,
    }
