"""What configs of mmdet and mmseg get when they are adapted: a class for each task that they may be of."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from .masks import Learns, find_learning


class Adaptation(ABC):
    """Parts of this package that a config of mmdet or mmseg gets, by the task that it is of.

    Attributes:
        base: config of the task's data, in ``_base_``.
        sample: settings for ``--data sample`` of any model of the task, in ``_base_/sample``.
        recipe: name of the packaged configs with the published recipe, with places for the version and the size.
        best: metric whose best checkpoint is kept.
        metric: noun for the task's metric, with its class.
        loading: step that loads the ground truth; None for mmdet's own.
        ground_truth: key under which the data set gives its ground truth to the metric; None if a step loads it in
            testing too.
        without_truth: parts of a RoI head that learn what the task's data do not have.
        views_follow_testing: True if test-time augmentation has sizes around that of testing, unless the source has
            its own; False for those of the base config.
    """

    base: ClassVar[str]
    sample: ClassVar[str]
    recipe: ClassVar[str]
    best: ClassVar[str]
    metric: ClassVar[str]
    loading: ClassVar[str | None] = None
    ground_truth: ClassVar[str | None] = None
    without_truth: ClassVar[tuple[str, ...]] = ()
    views_follow_testing: ClassVar[bool] = False

    @abstractmethod
    def takes(self, library: str, data: str) -> bool:
        """Check whether a config is of this task.

        Args:
            library: ``'mmdet'`` or ``'mmseg'``.
            data: the type of its training data set, without the scope; empty if it has none.
        """

    def find_learning(self, model: Mapping[str, Any]) -> Learns | None:
        """Find out what a model learns of masks; None if the task's ground truth is masks in any case."""
        return None

    def merge_views(self, model: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the ``tta_model`` that merges the views of test-time augmentation; None if nothing does.

        Args:
            model: the config of the model.
            stated: the ``tta_cfg`` of the source, or empty.
        """
        return None


class DetectorAdaptation(Adaptation):
    """Adaptation of mmdet's detectors: they learn objects of COCO files."""

    base = 'datasets/coco.py'
    sample = 'any_detector.py'
    recipe = 'det/cascade_convnext{}_{}_coco.py'
    best = 'raw/box_AP'
    metric = "COCO's box and mask AP (CocoAP)"
    ground_truth = 'instances'
    without_truth = ('semantic_head', 'semantic_roi_extractor')
    views_follow_testing = True

    def takes(self, library: str, data: str) -> bool:
        return library == 'mmdet' and data != '' and 'Panoptic' not in data

    def find_learning(self, model: Mapping[str, Any]) -> Learns | None:
        return find_learning(model)

    def merge_views(self, model: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any] | None:
        """Merge boxes as the source does, or by the NMS with which the model chooses its own, if it has one."""
        settings = model.get('test_cfg') or {}
        parts = [settings.get('rcnn'), settings]
        own = (one for one in parts if isinstance(one, Mapping) and (one.get('nms') or {}).get('type'))
        merging = stated if stated.get('nms') else next(own, None)
        if merging is None:
            return None
        nms, most = copy.deepcopy(merging['nms']), merging.get('max_per_img', 100)
        return {'type': 'convnext_dense.DetectorTTA', 'nms': nms, 'max_per_img': most}


class PanopticAdaptation(Adaptation):
    """Adaptation of mmdet's panoptic models, whose backbone learns by the recipe of detectors."""

    base = 'datasets/coco_panoptic.py'
    sample = 'any_panoptic.py'
    recipe = DetectorAdaptation.recipe
    best = 'raw/PQ'
    metric = 'PanopticQuality'
    loading = 'convnext_dense.LoadPanoptic'
    ground_truth = 'panoptic'

    def takes(self, library: str, data: str) -> bool:
        return library == 'mmdet' and 'Panoptic' in data


class SegmentorAdaptation(Adaptation):
    """Adaptation of mmseg's segmentors: they learn label maps."""

    base = 'datasets/ade20k.py'
    sample = 'any_segmentor.py'
    recipe = 'seg/upernet_convnext{}_{}_ade20k.py'
    best = 'raw/mIoU'
    metric = 'mIoU (IoU)'
    loading = 'convnext_dense.LoadMask'

    def takes(self, library: str, data: str) -> bool:
        return library == 'mmseg'

    def merge_views(self, model: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any] | None:
        """Average the views, each predicted as in testing: as a whole, or in windows."""
        return {'type': 'convnext_dense.SegmentorTTA', 'mode': (model.get('test_cfg') or {}).get('mode', 'whole')}
