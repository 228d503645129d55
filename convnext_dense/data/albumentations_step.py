"""Pipelines of the library Albumentations, as a step of the pipelines here.

Version 2.0.8 is the last one under the MIT license; what came after it, AlbumentationsX, is under the AGPL.

mmdet's and mmseg's own step ``Albu`` hands on BGR images, for which the library's changes of color are not made, and
mmdet's no label maps; see also :mod:`~convnext_dense.compat.albu_random`.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from ..compat.albu_random import set_random_state
from ..compat.mmdet_imports import stay_offline
from ..errors import UserError, last_line
from ..registry import TRANSFORMS

INSTALL = 'pip install "albumentations>=2.0.8,<2.1"'
NAME = 'convnext_dense.Albumentations'
DONE_ELSEWHERE = {
    'Normalize': 'the image is normalized later',
    'ToFloat': 'the image is normalized later',
    'FromFloat': 'the image is normalized later',
    'ToTensorV2': 'the image becomes a tensor later',
    'ToTensor3D': 'the image becomes a tensor later',
}
"""Transforms of the library that have no place here, and why."""
MASK_SETTINGS = ('fill_mask', 'mask_interpolation')
"""Settings of how masks are filled and interpolated, which must be 0 or absent: labels are not mixed, and outside of
the image there are none."""


class Pipeline:
    """A pipeline of Albumentations whose random numbers are those of numpy's generator.

    The library has random generators of its own, which no seed of others reaches: they are seeded before each image,
    and all transforms share one, so that they are independent of each other.

    Args:
        transforms: configs of its transforms, ``dict(type='HorizontalFlip', p=0.5)``; those with ``transforms``, such
            as ``OneOf``, have configs in them.
        boxes: settings of boxes, as its ``BboxParams``; None without boxes.

    Raises:
        UserError: if the library is not installed, or a transform is unknown, or has unknown or unfit settings.
    """

    def __init__(self, transforms: Sequence[Mapping[str, Any]], boxes: Mapping[str, Any] | None = None) -> None:
        stay_offline()
        if find_spec('albumentations') is None:
            raise UserError(f'{NAME} needs the package albumentations: {INSTALL}')
        albumentations = _library()
        if not hasattr(albumentations.Compose, 'set_random_state'):
            raise UserError(f'{NAME}: albumentations {albumentations.__version__} can not be seeded: {INSTALL}')
        self.steps = [self._build(one) for one in transforms]
        params = None if boxes is None else albumentations.BboxParams(**boxes)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that no transform moves boxes
            self.compose: Any = albumentations.Compose(self.steps, bbox_params=params)

    def __call__(self, **targets: Any) -> dict[str, Any]:
        """Apply the pipeline to the library's targets: ``image``, ``mask``, ``masks``, ``bboxes``.

        Raises:
            UserError: for an image that a transform can't take.
        """
        image = targets['image']
        if image.dtype != np.uint8:
            self._check_takes_stored_values(self.steps, image)
        set_random_state(self.compose)
        try:
            changed: dict[str, Any] = self.compose(**targets)
        except Exception as error:  # each of its transforms has its own ones
            raise UserError(f'{NAME}: an image of shape {image.shape} failed: {last_line(error)}') from error
        return changed

    def _build(self, config: Any) -> Any:
        """Build a transform from its config."""
        if not isinstance(config, Mapping) or not isinstance(config.get('type'), str):
            raise UserError(f"{NAME}: {config!r} is not dict(type='NAME', ...)")
        settings, library = {key: value for key, value in config.items() if key != 'type'}, _library()
        kind = config['type']
        found = getattr(library, kind, None)
        known = (library.BasicTransform, library.BaseCompose)
        if not (isinstance(found, type) and issubclass(found, known)):
            names = [name for name in dir(library) if isinstance(getattr(library, name), type)]
            near = difflib.get_close_matches(kind, names, n=1)
            raise UserError(f'{NAME}: albumentations has no {kind}' + (f'; did you mean {near[0]}?' if near else ''))
        if kind in DONE_ELSEWHERE:
            raise UserError(f'{NAME}: leave out {kind}: {DONE_ELSEWHERE[kind]}')
        for name in MASK_SETTINGS:
            if settings.get(name):
                raise UserError(
                    f'{NAME}: {kind} with {name}={settings[name]!r}: leave it out, since labels are not interpolated, '
                    'and what comes from outside of the image is unlabeled'
                )
        if 'transforms' in settings:
            settings['transforms'] = [self._build(one) for one in settings['transforms']]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('error', UserWarning)  # by which it tells of unknown settings, and ignores them
                return found(**settings)
        except (TypeError, ValueError, UserWarning) as error:
            raise UserError(f'{NAME}: {kind}: {_in_one_line(error)}') from error

    def _check_takes_stored_values(self, steps: Sequence[Any], image: np.ndarray) -> None:
        """Raise a UserError for transforms of colors, which take 8 bits, or floats from 0 to 1."""
        for step in steps:
            if isinstance(step, _library().BaseCompose):
                self._check_takes_stored_values(step.transforms, image)
            elif isinstance(step, _library().ImageOnlyTransform):
                raise UserError(
                    f'{NAME}: {type(step).__name__} changes levels of 8 bits, and images are {image.dtype}, '
                    f'{image.shape[-1] if image.ndim == 3 else 1} bands as stored: leave it out; flips, crops, '
                    'rotations and the like take them'
                )


@TRANSFORMS.register_module()
class Albumentations(BaseTransform):
    """Step of a dense pipeline that runs transforms of Albumentations on image, boxes, masks and label map.

    Images of 8 bits are handed on as RGB, others with their bands as stored, which only transforms of places take.
    What comes from outside of the image, or is dropped, is black (``fill`` of a transform is another value), in no
    object, and 255 in a label map. Objects of which no part is left go, and so do those whose mask has no pixel left.

    Args:
        transforms: see :class:`Pipeline`.
        min_area: area of a box in pixels, below which its object goes.
        min_visibility: share of the area of a box that must be left, in [0, 1].
        recompute_bbox: give objects the boxes of their masks; rotated boxes are larger than what is in them.

    Raises:
        UserError: see :class:`Pipeline`; and for rotated boxes.
    """

    def __init__(
        self,
        transforms: Sequence[Mapping[str, Any]],
        min_area: float = 0.0,
        min_visibility: float = 0.0,
        recompute_bbox: bool = False,
    ) -> None:
        self.recompute_bbox = recompute_bbox
        boxes = dict(format='pascal_voc', label_fields=['places'], clip=True, filter_invalid_bboxes=True)
        boxes.update(min_area=min_area, min_visibility=min_visibility)
        self.with_boxes, self.without = Pipeline(transforms, boxes), Pipeline(transforms)

    def transform(self, results: dict) -> dict:
        """Apply the transforms; changes ``img``, ``img_shape``, ``gt_*``."""
        image = results['img']
        is_bgr = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        targets: dict[str, Any] = {'image': np.ascontiguousarray(image[..., ::-1] if is_bgr else image)}
        labels = results.get('gt_seg_map')
        if labels is not None:
            targets['mask'] = labels + np.uint8(1)  # 255 is 0, which new pixels have
        has_boxes, masks = results.get('gt_bboxes') is not None, results.get('gt_masks')
        if has_boxes:
            tensor = results['gt_bboxes'].tensor
            if tensor.shape[-1] != 4:
                raise UserError(f'{NAME}: boxes have {tensor.shape[-1]} numbers: it takes upright boxes')
            targets.update(bboxes=tensor.numpy().astype(np.float32), places=np.arange(len(tensor)))
            if masks is not None:
                masks = masks.to_bitmap() if hasattr(masks, 'to_bitmap') else masks
                if len(tensor):
                    targets['masks'] = np.ascontiguousarray(masks.masks)
        changed = (self.with_boxes if has_boxes else self.without)(**targets)
        new = changed['image']
        results['img'] = np.ascontiguousarray(new[..., ::-1] if is_bgr else new)
        results['img_shape'] = shape = results['img'].shape[:2]
        if labels is not None:
            results['gt_seg_map'] = changed['mask'] - np.uint8(1)
        if has_boxes:
            self._take_objects(results, changed, masks, shape)
        return results

    def _take_objects(self, results: dict, changed: dict, masks: Any, shape: tuple[int, int]) -> None:
        """Take boxes and masks of the objects that are left."""
        places = np.asarray(changed['places'], np.int64).reshape(-1)
        boxes = results['gt_bboxes']
        tensor = boxes.tensor.new_tensor(np.asarray(changed['bboxes'], np.float32).reshape(-1, 4)[:, :4])
        if masks is not None:
            drawn = np.asarray(changed.get('masks', np.zeros((0, *shape), np.uint8)))
            drawn = drawn.reshape(-1, *shape)[places] if len(places) else np.zeros((0, *shape), np.uint8)
            seen = drawn.any(axis=(1, 2)) | ~masks.masks[places].any(axis=(1, 2))  # or there was no mask before
            places, tensor, drawn = places[seen], tensor[seen], drawn[seen]
            results['gt_masks'] = type(masks)(drawn, *shape)
            if self.recompute_bbox:
                own = results['gt_masks'].get_bboxes(type(boxes)).tensor
                has_mask = drawn.any(axis=(1, 2))
                tensor[has_mask] = own[has_mask]
        results['gt_bboxes'] = type(boxes)(tensor)
        for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
            if key in results:
                results[key] = results[key][places]


def _library() -> Any:
    """Return the library, which takes seconds to import, and is none of a pipeline's attributes: those are copied."""
    return import_module('albumentations')


def _in_one_line(error: Exception) -> str:
    """Return the message of an error of the library, of which pydantic's have several lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and 'errors.pydantic.dev' not in line]
    return ' '.join(lines)
