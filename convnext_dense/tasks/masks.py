"""Masks in a detector's config: whether its model learns them, and leaving them out where there are none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from .config_parts import loaders
from .datasets import innermost_datasets, is_own
from .pipelines import kind_of, steps_of

if TYPE_CHECKING:
    from mmengine.config import Config

BOXES_ONLY = 'boxes_only'
"""Key of a config whose mask head is left out: True, or the reason."""
NO_MASKS = 'the training data have no masks'
AS_TRAINED = 'the checkpoint is of a detector without masks'
MASK_PARTS = ('mask_head', 'mask_roi_extractor')
"""Parts of a RoI head that only masks need."""
NEED_MASKS = {
    *('SingleStageInstanceSegmentor', 'MaskFormer', 'TwoStagePanopticSegmentor', 'RTMDetInsHead'),
    *('PointRendRoIHead', 'MaskScoringRoIHead', 'SCNetRoIHead'),
}
"""Classes of mmdet that do not train without masks, with their subclasses: detectors and heads."""
NEED_NONE = {'BoxInst'}
"""Those of them that learn masks from boxes."""
WITH_FREE_HEADS = {'StandardRoIHead', 'CascadeRoIHead'}
"""RoI heads of mmdet in whose loss of masks nothing but the mask head itself uses the masks."""
BUILD_ON_MASKS = {'CopyPaste', 'RandomErasing'}
"""Steps of mmdet that make boxes or images of masks, so that each object needs its own."""
MASK_METRICS = (
    (re.compile(r'mask_(?=AP)'), 'box_'),
    (re.compile(r'segm_(?=mAP)'), 'bbox_'),
    (re.compile(r'\b(\w+\.)*loss_mask\b'), 'loss'),
)
"""Names of metrics and losses of masks, and what stands for each where there are none."""


class Learns(Enum):
    """What a detector learns of masks."""

    NONE = 'none: it is one of mmdet that has no head for masks'
    HEAD = 'by a head that can be left out'
    NEEDS = 'in all that it learns'
    UNKNOWN = 'unknown: a model of another package'


def find_learning(model: Mapping[str, Any]) -> Learns:
    """Find out what a detector learns of masks, from its config."""
    parts = [model, *_dicts(model.get('bbox_head')), *_dicts(model.get('roi_head'))]
    kinds = [_class_of(part) for part in parts]
    names = {base.__name__ for kind in kinds for base in kind.__mro__}
    if names & NEED_MASKS and not names & NEED_NONE:
        return Learns.NEEDS
    if (model.get('roi_head') or {}).get('mask_head') is not None:
        return Learns.HEAD
    return Learns.NONE if all(kind.__module__.startswith('mmdet.') for kind in kinds) else Learns.UNKNOWN


def loads_masks(cfg: Config) -> bool:
    """Check whether the training pipelines load masks."""
    training = cfg.get('train_dataloader')
    return training is not None and any(step.get('with_mask') for step in steps_of(training.dataset))


def leave_out_masks(cfg: Config, as_trained: bool = False, reads_data: bool = False) -> bool:
    """Leave the masks out of a detector's config, if there are none to learn: heads, loading, metrics, settings.

    What a detector without masks has no use for is left out in any case.

    Args:
        cfg: the config; it gets :data:`BOXES_ONLY` if it had a head for masks.
        as_trained: the weights of the model are of a detector without masks.
        reads_data: the training data may decide it.

    Returns:
        True if the config is now one of boxes alone.

    Raises:
        UserError: if the detector does not train without masks.
    """
    from ..data.detection.options import FOR_BOXES

    learns = find_learning(cfg.model)
    reason = cfg.get(BOXES_ONLY) or (AS_TRAINED if as_trained and learns is Learns.HEAD else None)
    may_learn = learns in (Learns.HEAD, Learns.NEEDS) or (learns is Learns.UNKNOWN and loads_masks(cfg))
    if reads_data and may_learn and not reason and _training_has_masks(cfg) is False:
        reason = NO_MASKS
    if not reason and learns is not Learns.NONE:
        return False
    if learns is Learns.NEEDS:
        raise UserError(f'{kind_of(cfg.model)} learns from masks, and {_say(reason)}: annotate masks, or {FOR_BOXES}')
    if reason and any(kind_of(step) == 'CopyPaste' for loader in loaders(cfg) for step in steps_of(loader.dataset)):
        raise UserError(
            f'CopyPaste pastes objects by their masks, and {_say(reason)}: annotate masks, or leave it out'
        )
    if learns is Learns.HEAD:
        cfg[BOXES_ONLY] = reason
        cfg.model.roi_head.update(dict.fromkeys(MASK_PARTS))
    _strip(cfg)
    return True


def _training_has_masks(cfg: Config) -> bool | None:
    """Check whether an object of the training data has a mask; None if that can't be told, as of other libraries'."""
    if cfg.get('train_dataloader') is None:
        return None
    datasets = innermost_datasets(cfg.train_dataloader.dataset)
    if not all('annotations' in dataset and is_own(dataset) for dataset in datasets):
        return None
    try:
        return any(map(_has_masks, datasets))
    except UserError:  # which is reported where the data are read
        return None


def _has_masks(dataset: Mapping[str, Any]) -> bool:
    """Check whether an object of a data set has a mask, of the classes that are chosen.

    Raises:
        UserError: if there are no objects, but captions or panoptic masks.
    """
    from ..data.class_choice import as_choice
    from ..data.detection.coco import has_masks, read_coco
    from ..data.formats import source_of
    from ..data.formats.coco import check_kind

    source, choice = source_of(dataset), as_choice(dataset.get('choice'))
    if not has_masks(source):
        if source.format == 'coco':
            check_kind(source.annotations)
        return False
    if choice is None:
        return True
    chosen = read_coco(source, dataset.get('box_format'), choice=choice, skips_bad=True).annotations.values()
    return any('segmentation' in one and not one['iscrowd'] for of_image in chosen for one in of_image)


def _strip(cfg: Config) -> None:
    """Remove from a config all that a detector without a head for masks has no use for."""
    for settings in ('train_cfg', 'test_cfg'):
        for rcnn in _dicts((cfg.model.get(settings) or {}).get('rcnn')):
            for key in [key for key in rcnn if key.startswith('mask_')]:
                del rcnn[key]
    if (cfg.model.get('data_preprocessor') or {}).get('pad_mask'):
        cfg.model.data_preprocessor.pad_mask = False
    for step in steps_of([*(loader.dataset for loader in loaders(cfg)), cfg.get('tta_pipeline')]):
        if step.get('with_mask'):
            step['with_mask'] = False
        if step.get('by_mask'):
            step.update(by_mask=False, by_box=True)
    for evaluator in ('val_evaluator', 'test_evaluator'):
        for metric in steps_of(cfg.get(evaluator)):
            _measure_boxes(metric)
    for key in ('default_hooks', 'custom_hooks', 'param_scheduler'):
        if cfg.get(key) is not None:
            cfg[key] = _follow_boxes(cfg[key])
    rules = (cfg.get('optim_wrapper') or {}).get('paramwise_cfg') or {}
    for key in [key for key in rules.get('custom_keys') or {} if any(part in key for part in MASK_PARTS)]:
        del rules['custom_keys'][key]


def describe_boxes_only(cfg: Config) -> str:
    """Describe why and how the masks are left out of a config, in a line; empty if they are not."""
    reason = cfg.get(BOXES_ONLY)
    if not reason:
        return ''
    return f'boxes only, since {_say(reason)}: mask head, loading of masks and mask AP are left out'


def _say(reason: Any) -> str:
    return reason if isinstance(reason, str) else 'boxes_only is set'


def keep_objects_without_mask(cfg: Config) -> bool:
    """Have the mask heads of a config that trains leave out the objects without a mask, if they can.

    Returns:
        True if the heads are :class:`~convnext_dense.models.detector.FCNMaskHead` now; False if there are others, or a
        step of the training pipeline builds on the masks, so that such objects have to be ignored.
    """
    roi_head = cfg.model.get('roi_head') or {}
    heads = _dicts(roi_head.get('mask_head'))
    owner = next((base for base in _class_of(roi_head).__mro__ if 'mask_loss' in vars(base)), object)
    are_plain = all(_class_of(head).__name__ == 'FCNMaskHead' for head in heads)
    if not heads or not are_plain or owner.__name__ not in WITH_FREE_HEADS:
        return False
    for step in steps_of(cfg.train_dataloader.dataset):
        if step.get('recompute_bbox') or step.get('poly2mask') is False or kind_of(step) in BUILD_ON_MASKS:
            return False
    for head in heads:
        head['type'] = 'convnext_dense.FCNMaskHead'
    return True


def _class_of(part: Mapping[str, Any]) -> type:
    """Return the class of a part of a model; ``object`` if it is unknown."""
    from ..registry import MODELS

    kind = part.get('type')
    if isinstance(kind, str):
        kind = MODELS.get(kind) or MODELS.get(f'mmdet.{kind}')
    return kind if isinstance(kind, type) else object


def _dicts(value: Any) -> list[Any]:
    """Return a dict, or the dicts of a list such as those of a cascade's stages, as a list."""
    return [one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, dict)]


def _measure_boxes(metric: dict) -> None:
    """Have a metric measure boxes alone; others than COCO's are left as they are."""
    if kind_of(metric) == 'CocoAP':
        metric['iou_types'] = ('bbox',)
    elif isinstance(metric.get('metric'), list | tuple):
        metric['metric'] = [name for name in metric['metric'] if name != 'segm'] or ['bbox']
    elif metric.get('metric') == 'segm':
        metric['metric'] = 'bbox'


def _follow_boxes(value: Any) -> Any:
    """Replace the names of metrics and losses of masks in nested settings, such as ``best='raw/mask_AP'``."""
    if isinstance(value, dict):
        for key in value:
            value[key] = _follow_boxes(value[key])
    elif isinstance(value, list | tuple):
        return type(value)(map(_follow_boxes, value))
    elif isinstance(value, str):
        for pattern, other in MASK_METRICS:
            value = pattern.sub(other, value)
    return value
