"""Mosaic, mixup and copy-paste of images, inside a data set that draws the other images, such as ``MixedImages``.

mmdet's transforms for such a data set leave masks out, and those that have them take the other images from a cache
that each loader worker fills, whose content a resumed run would not have.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any

import mmcv
import numpy as np

from ...compat.albu_random import seed_albu
from ...compat.mmdet_imports import light_imports
from ...errors import UserError
from ...registry import TRANSFORMS
from ..band_transforms import in_threes, join_threes

with light_imports():
    from mmdet.datasets.transforms import Albu, CachedMixUp, CachedMosaic
    from mmdet.datasets.transforms import CopyPaste as MmdetCopyPaste
    from mmdet.structures.mask import BitmapMasks

seed_albu(Albu)


@TRANSFORMS.register_module()
class Mosaic(CachedMosaic):
    """Mosaic of four images of the data set, with boxes and masks.

    Args:
        img_scale: width and height of a quarter of the result, in pixels.
        center_ratio_range: range of the place where the four images meet, as a share of ``img_scale``.
        bbox_clip_border: clip boxes to the result.
        pad_val: level of what no image covers; of images of other bands than red, green and blue, one of each.
        prob: probability of a mosaic, in [0, 1]; otherwise the image is returned as it is.

    Raises:
        UserError: for masks and an ``img_scale`` that is not square, which mmdet takes for height and width.
    """

    def __init__(
        self,
        img_scale: tuple[int, int] = (640, 640),
        center_ratio_range: tuple[float, float] = (0.5, 1.5),
        bbox_clip_border: bool = True,
        pad_val: float | Sequence[float] = 114.0,
        prob: float = 1.0,
    ) -> None:
        super().__init__(tuple(img_scale), center_ratio_range, bbox_clip_border, pad_val, prob, max_cached_images=5)

    def get_indexes(self, dataset: Any) -> list[int]:
        """Draw three images of the data set; of the drawn ones, take all three."""
        if dataset is self.results_cache:
            return [0, 1, 2]
        return [random.randrange(len(dataset)) for _ in range(3)]

    def transform(self, results: dict) -> dict:
        """Mix the image with the three of ``mix_results``."""
        if 'gt_masks' in results and self.img_scale[0] != self.img_scale[1]:
            raise UserError(f'convnext_dense.Mosaic: img_scale {self.img_scale} with masks: take a square')
        image = results['img']
        if image.ndim == 2 or image.shape[2] == 3:
            return self._mosaic(results, results['mix_results'], self.pad_val)
        channels, state = image.shape[2], np.random.get_state()  # which mmdet's transforms draw from
        pads = in_threes(np.broadcast_to(np.asarray(self.pad_val, np.float32), (1, 1, channels)))
        images = [in_threes(one['img']) for one in (results, *results['mix_results'])]
        parts = []
        for number, pad in enumerate(pads):  # the same mosaic of three channels at a time, as many as mmdet makes
            np.random.set_state(state)
            own, *others = (
                {**one, 'img': split[number]}
                for one, split in zip((results, *results['mix_results']), images, strict=True)
            )
            mixed = self._mosaic(copy.deepcopy(own), others, pad.reshape(-1).tolist())
            parts.append(mixed['img'])
        return {**mixed, 'img': join_threes(parts, channels)}

    def _mosaic(self, results: dict, others: Sequence[dict], pad_val: float | Sequence[float]) -> dict:
        self.results_cache = [*others, others[0]]  # with the image itself five, as many as mmdet mixes from
        kept: Any = self.pad_val
        self.pad_val: Any = pad_val
        try:
            return _mix(self, super().transform, results)
        finally:
            self.pad_val = kept


@TRANSFORMS.register_module()
class MixUp(CachedMixUp):
    """Mean of two images of the data set, with the boxes and masks of both.

    Args:
        img_scale: width and height that the other image is fit into, in pixels.
        ratio_range: range of the factor by which it is scaled then.
        flip_ratio: probability that it is not flipped, as in mmdet.
        pad_val: level of what it does not cover.
        max_iters: number of tries to draw an image with objects.
        bbox_clip_border: clip boxes to the image.
        prob: probability of mixing, in [0, 1]; otherwise the image is returned as it is.
    """

    def __init__(
        self,
        img_scale: tuple[int, int] = (640, 640),
        ratio_range: tuple[float, float] = (0.5, 1.5),
        flip_ratio: float = 0.5,
        pad_val: float | Sequence[float] = 114.0,
        max_iters: int = 15,
        bbox_clip_border: bool = True,
        prob: float = 1.0,
    ) -> None:
        super().__init__(tuple(img_scale), ratio_range, flip_ratio, pad_val, max_iters, bbox_clip_border, prob=prob)

    def get_indexes(self, dataset: Any) -> int:
        """Draw an image of the data set, one with objects if a few tries find one; the drawn one is the only one."""
        if dataset is self.results_cache:
            return 0
        for _ in range(self.max_iters):
            index = random.randrange(len(dataset))
            if dataset.get_data_info(index).get('instances'):
                break
        return index

    def transform(self, results: dict) -> dict:
        """Mix the image with that of ``mix_results``."""
        self.results_cache = list(results['mix_results'])
        if results['img'].dtype == np.uint8:
            return _mix(self, super().transform, results)
        return self._mix_stored_values(results)

    def _mix_stored_values(self, results: dict) -> dict:
        """Mix images of any bands and values, of which mmdet makes three channels of 8 bits.

        mmdet's transform mixes boxes and masks, with stand-ins for the images; here the images are mixed with the same
        random numbers, and so as it does.
        """
        (other,) = results['mix_results']
        image, state = results['img'], np.random.get_state()
        stand_ins = [np.zeros((*one.shape[:2], 3), np.uint8) for one in (image, other['img'])]
        self.results_cache = [{**other, 'img': stand_ins[1]}]
        kept: Any = self.pad_val
        self.pad_val: Any = 0.0
        try:
            mixed = _mix(self, super().transform, {**results, 'img': stand_ins[0]})
        finally:
            self.pad_val = kept
        if mixed['img'] is stand_ins[0]:
            return {**mixed, 'img': image}
        end = np.random.get_state()
        np.random.set_state(state)
        np.random.uniform(0, 1)  # whether they are mixed
        moved = self._place(other['img'], image.shape)
        np.random.set_state(end)
        return {**mixed, 'img': (0.5 * image + 0.5 * moved).astype(image.dtype)}

    def _place(self, image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Resize, flip and crop the other image to the shape of the first one, like mmdet."""
        draw = np.random
        factor, flips = draw.uniform(*self.ratio_range), draw.uniform(0, 1) > self.flip_ratio
        width, height = self.dynamic_scale
        canvas = self._canvas((height, width, *shape[2:]), image.dtype)
        ratio = min(height / image.shape[0], width / image.shape[1])
        fit = mmcv.imresize(image, (int(image.shape[1] * ratio), int(image.shape[0] * ratio)))
        canvas[: fit.shape[0], : fit.shape[1]] = fit.reshape(*fit.shape[:2], *shape[2:])
        canvas = mmcv.imresize(canvas, (int(width * factor), int(height * factor)))
        canvas = canvas.reshape(*canvas.shape[:2], *shape[2:])
        canvas = canvas[:, ::-1] if flips else canvas
        sides = [max(own, wanted) for own, wanted in zip(canvas.shape[:2], shape[:2], strict=True)]
        padded = self._canvas((*sides, *shape[2:]), image.dtype)
        padded[: canvas.shape[0], : canvas.shape[1]] = canvas
        top, left = (
            draw.randint(0, side - wanted) if side > wanted else 0
            for side, wanted in zip(sides, shape[:2], strict=True)
        )
        return padded[top : top + shape[0], left : left + shape[1]]

    def _canvas(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        pad = np.asarray(self.pad_val, dtype)
        return np.broadcast_to(pad if len(shape) == 3 else pad.reshape(-1)[0], shape).copy()


@TRANSFORMS.register_module()
class CopyPaste(MmdetCopyPaste):
    """Objects of another image of the data set, pasted by their masks: simple copy-paste (arXiv 2012.07177).

    As mmdet's ``CopyPaste``: any number of the other image's objects, chosen at random, at the places that they have
    there. What they cover is cut out of the masks of the image's own objects. One that lost something stays if no side
    of its box moved by more than ``bbox_occluded_thr`` or more than ``mask_occluded_thr`` pixels of it are left; its
    box is that of what is left.

    Unlike there, crowds and ignore regions are never pasted, and stay as long as a pixel of them is left; what is
    hidden as a whole never stays, and what is not touched keeps its annotated box; the other image may have another
    size, and is cut or filled up to that of the image, from the upper left corner; the image keeps its type.

    Args:
        max_num_pasted: maximum number of pasted objects.
        bbox_occluded_thr, mask_occluded_thr: see above, in pixels and in pixels of area.
        prob: probability that anything is pasted, in [0, 1].

    Raises:
        UserError: for a ``prob`` out of range, an image without masks, or one with a label map.
    """

    def __init__(
        self,
        max_num_pasted: int = 100,
        bbox_occluded_thr: int = 10,
        mask_occluded_thr: int = 300,
        prob: float = 1.0,
    ) -> None:
        if not 0 <= prob <= 1:
            raise UserError(f'convnext_dense.CopyPaste: prob {prob} is not in [0, 1]')
        super().__init__(max_num_pasted, bbox_occluded_thr, mask_occluded_thr)
        self.prob = prob

    def get_indexes(self, dataset: Any) -> list[int]:
        """Draw whether to paste, and an image of the data set; an empty list to paste nothing."""
        return [random.randrange(len(dataset))] if random.random() < self.prob else []

    def transform(self, results: dict) -> dict:
        """Paste objects of the image in ``mix_results``, if there is one."""
        if not results['mix_results']:
            return results
        (other,) = results['mix_results']
        for one in (results, other):
            if one.get('gt_masks') is None:
                raise UserError(
                    f'convnext_dense.CopyPaste pastes objects by their masks, and {one.get("img_path", "an image")} '
                    'has none: load them with with_mask=True, or leave it out where boxes alone are learned'
                )
            if 'gt_seg_map' in one:
                raise UserError('convnext_dense.CopyPaste changes no label map: it is for objects alone')
        shape = results['img'].shape[:2]
        masks = self._fitted(_bitmaps(other), shape)
        able = np.flatnonzero(masks.any(axis=(1, 2)) & ~other['gt_ignore_flags'])
        count = np.random.randint(0, min(len(able), self.max_num_pasted) + 1)
        chosen = np.random.choice(able, size=count, replace=False)
        return self._paste(results, other, masks[chosen], chosen) if count else results

    def _paste(self, results: dict, other: dict, masks: np.ndarray, chosen: np.ndarray) -> dict:
        """Paste the chosen objects, of which the masks (N, H, W) have the size of the image."""
        shape, own = results['img'].shape[:2], _bitmaps(results)
        covered = masks.any(axis=0)
        left = np.where(covered, 0, own).astype(np.uint8)
        boxes = results['gt_bboxes']
        touched = (own.astype(bool) & covered).any(axis=(1, 2))
        of_left = BitmapMasks(left, *shape).get_bboxes(type(boxes))
        area = left.sum(axis=(1, 2))
        moved = (of_left.tensor - boxes.tensor).abs().amax(dim=-1).numpy()
        visible = (moved <= self.bbox_occluded_thr) | (area > self.mask_occluded_thr) | results['gt_ignore_flags']
        kept = ~touched | (visible & (area > 0))
        boxes = boxes.clone()
        boxes.tensor[touched] = of_left.tensor[touched]
        pasted = other['gt_bboxes'][chosen]
        if other['img'].shape[:2] != shape:
            pasted = BitmapMasks(masks, *shape).get_bboxes(type(boxes))
        area_of = covered.reshape(*shape, *[1] * (results['img'].ndim - 2))
        results['img'] = np.where(area_of, self._fitted(other['img'], shape, 0), results['img'])
        results['gt_bboxes'] = boxes.cat([boxes[kept], pasted])
        results['gt_masks'] = BitmapMasks(np.concatenate([left[kept], masks]), *shape)
        for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
            results[key] = np.concatenate([results[key][kept], other[key][chosen]])
        return results

    @staticmethod
    def _fitted(array: np.ndarray, shape: tuple[int, int], axis: int = 1) -> np.ndarray:
        """Cut an array to a height and width, or fill it up with zeros; they are its axes from ``axis`` on."""
        if array.shape[axis : axis + 2] == shape:
            return array
        inside = tuple(slice(0, min(pair)) for pair in zip(array.shape[axis : axis + 2], shape, strict=True))
        place = (slice(None),) * axis + inside
        fitted = np.zeros((*array.shape[:axis], *shape, *array.shape[axis + 2 :]), array.dtype)
        fitted[place] = array[place]
        return fitted


def _bitmaps(results: dict) -> np.ndarray:
    """Return the masks of the objects, uint8 (N, H, W)."""
    masks: np.ndarray = results['gt_masks'].to_ndarray()
    return masks.reshape(-1, *results['img'].shape[:2])


def _mix(transform: Any, run: Any, results: dict) -> dict:
    """Run mmdet's transform on an image and those in its cache, which is empty afterwards."""
    try:
        mixed: dict = run({key: value for key, value in results.items() if key != 'mix_results'})
    finally:
        transform.results_cache = []
    return mixed
