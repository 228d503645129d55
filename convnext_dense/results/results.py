"""What models find in images, as plain objects.

Coordinates are pixels from the top left corner of the upright image, x to the right and y down, with pixel (0, 0)
between 0 and 1 on both axes: a box around the whole image is [0, 0, width, height]. Class k is ``names[k]``.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as rle

from ..errors import UserError
from ..io.files import atomic_write
from ..io.images import read_rgb
from .drawing import draw_instances, draw_label_map, draw_scores, palette
from .text import legible

UNLABELED = 255


@dataclass(frozen=True, eq=False)
class Classification:
    """What an image shows.

    Attributes:
        path: the image's file; None if it came from none.
        scores: float32 (K,), in [0, 1], of all classes; they sum to 1.
        names: K class names.
    """

    path: str | None
    scores: np.ndarray
    names: Sequence[str]

    @classmethod
    def from_prediction(cls, prediction: dict, names: Sequence[str]) -> Classification:
        """From what :class:`~convnext_dense.models.ImageClassifier` predicts for one image."""
        return cls(prediction.get('path'), prediction['scores'].float().cpu().numpy(), names)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The names of the ``count`` highest scores, or of all there are, with their scores, the highest first."""
        return [(self.names[k], float(self.scores[k])) for k in self._order(count)]

    def draw(self, out: str | Path | None = None, image: np.ndarray | None = None) -> np.ndarray:
        """The image over bars of the five highest scores; see :meth:`Detection.draw`."""
        words = legible(self.names)
        bars = [(words[k], float(self.scores[k])) for k in self._order(5)]
        return _saved(draw_scores(_image_to_draw_on(self.path, image), bars), out)

    def as_json(self) -> dict:
        """``{'path', 'top': [{'label', 'name', 'score'}, ...]}``, the five highest scores, label an index of names."""
        top = [{'label': k, 'name': self.names[k], 'score': float(self.scores[k])} for k in self._order(5)]
        return {'path': self.path, 'top': top}

    def _order(self, count: int) -> list[int]:
        return np.argsort(-self.scores, kind='stable')[:count].tolist()


@dataclass(frozen=True, eq=False)
class Detection:
    """Things found in an image, N of them.

    Attributes:
        path: the image's file; None if it came from none.
        size: height and width of the image in pixels.
        boxes: float32 (N, 4), left, top, right and bottom edge in pixels.
        scores: float32 (N,), in [0, 1].
        labels: int64 (N,), in [0, K).
        masks: bool (N, H, W), or None from a detector without masks.
        names: K class names.
        category_ids: K numbers of the classes in the COCO file that the detector learnt from, where they are known.
    """

    path: str | None
    size: tuple[int, int]
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None
    names: Sequence[str]
    category_ids: Sequence[int] | None = None

    @classmethod
    def from_sample(cls, sample: Any, names: Sequence[str], category_ids: Sequence[int] | None = None) -> Detection:
        """From mmdet's ``DetDataSample``: its ``pred_instances``."""
        found = sample.pred_instances.cpu().numpy()
        height, width = sample.ori_shape[:2]
        masks = found.masks.astype(bool, copy=False) if 'masks' in found else None
        boxes, scores = found.bboxes.astype(np.float32), found.scores.astype(np.float32)
        path, size = sample.get('img_path'), (height, width)
        return cls(path, size, boxes, scores, found.labels, masks, names, category_ids)

    def above(self, least: float) -> Detection:
        """Those with a score of at least ``least``."""
        good = self.scores >= least
        masks = None if self.masks is None else self.masks[good]
        return replace(self, boxes=self.boxes[good], scores=self.scores[good], labels=self.labels[good], masks=masks)

    def draw(self, out: str | Path | None = None, image: np.ndarray | None = None) -> np.ndarray:
        """Draw the result on its image.

        Args:
            out: the file to write, its format told by its suffix; None for none.
            image: uint8 (H, W, 3), RGB, to draw on; None to read it again from ``path``.

        Returns:
            What was drawn, uint8 RGB; small images are enlarged.

        Raises:
            UserError: if the image can't be read, is of another size than the result, or ``out`` can't be written.
        """
        words, colors = legible(self.names), palette(len(self.names))[self.labels]
        tags = [f'{words[label]} {score:.0%}' for label, score in zip(self.labels, self.scores, strict=True)]
        pixels = _image_to_draw_on(self.path, image, self.size)
        return _saved(draw_instances(pixels, self.boxes, tags, colors, self.masks), out)

    def as_json(self) -> list[dict]:
        """Entries as in COCO's results files, in the order of the boxes.

        Each has ``image_id`` (the path), ``category_id`` (from ``category_ids``, or the label where there are none),
        ``category`` (the name), ``bbox`` [x, y, width, height], ``score`` and, where there are masks,
        ``segmentation``, a compressed RLE.
        """
        corners = self.boxes.astype(float)
        boxes = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]]).tolist()
        ids = range(len(self.names)) if self.category_ids is None else self.category_ids
        rows = zip(self.labels.tolist(), boxes, self.scores.tolist(), strict=True)
        entries: list[dict] = [
            {'image_id': self.path, 'category_id': ids[k], 'category': self.names[k], 'bbox': box, 'score': score}
            for k, box, score in rows
        ]
        if self.masks is not None:
            for entry, mask in zip(entries, encode_masks(self.masks), strict=True):
                entry['segmentation'] = mask
        return entries

    def to_supervision(self) -> Any:
        """As ``supervision.Detections``, with the names in ``data['class_name']``.

        Raises:
            UserError: where the supervision package is not installed.
        """
        return _supervision().Detections(
            xyxy=self.boxes,
            mask=self.masks,
            confidence=self.scores,
            class_id=self.labels,
            data={'class_name': np.array([self.names[k] for k in self.labels], dtype=str)},
        )


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The class of each pixel of an image.

    Attributes:
        path: the image's file; None if it came from none.
        labels: uint8 (H, W), in [0, K), or 255 where unlabeled, as ground truth may be.
        names: K class names.
        colors: uint8 (K, 3), RGB.
    """

    path: str | None
    labels: np.ndarray
    names: Sequence[str]
    colors: np.ndarray

    @classmethod
    def from_sample(
        cls, sample: Any, names: Sequence[str], colors: Sequence | np.ndarray, kind: str = 'pred'
    ) -> Segmentation:
        """From mmseg's ``SegDataSample``: its ``pred_sem_seg``, or with kind ``'gt'`` its ``gt_sem_seg``."""
        labels = sample.get(f'{kind}_sem_seg').data[0].cpu().numpy().astype(np.uint8, copy=False)
        return cls(sample.get('img_path'), labels, names, np.array(colors, np.uint8))

    def draw(
        self, out: str | Path | None = None, image: np.ndarray | None = None, legend_rows: int | None = None
    ) -> np.ndarray:
        """The image in the classes' colors, over a legend; see :meth:`Detection.draw`.

        Args:
            legend_rows: the legend has so many, with the largest classes; None for as many as it takes.
        """
        pixels = _image_to_draw_on(self.path, image, self.labels.shape)
        drawn = draw_label_map(pixels, self.labels, self.names, self.colors, UNLABELED, legend_rows)
        return _saved(drawn, out)

    def as_json(self) -> dict:
        """``{'path', 'size': [H, W], 'classes': [{'label', 'name', 'pixels', 'share'}, ...]}``.

        The classes are those that are present, the largest first; ``share`` is of the whole image, in [0, 1].
        """
        counts = np.bincount(self.labels.ravel(), minlength=UNLABELED + 1)[:UNLABELED]
        present = [k for k in np.argsort(-counts, kind='stable').tolist() if counts[k]]
        classes = [
            {'label': k, 'name': self.names[k], 'pixels': int(counts[k]), 'share': float(counts[k] / self.labels.size)}
            for k in present
        ]
        return {'path': self.path, 'size': list(self.labels.shape), 'classes': classes}

    def save_labels(self, out: str | Path) -> None:
        """Write the labels as a PNG whose palette has the colors: read as indices it is the label map.

        Raises:
            UserError: if it can't be written.
        """
        indices = Image.fromarray(self.labels)
        indices.putpalette(np.vstack([self.colors, np.zeros((256 - len(self.colors), 3), np.uint8)]).tobytes())
        _save(indices, out)

    def to_supervision(self) -> Any:
        """As ``supervision.Detections``, one of all pixels of a class for each class that is present, by its index.

        Raises:
            UserError: where the supervision package is not installed.
        """
        present = np.setdiff1d(self.labels, UNLABELED)
        masks = self.labels == present[:, None, None]
        return _supervision().Detections(
            xyxy=np.array([_box_of(mask) for mask in masks], np.float32).reshape(-1, 4),
            mask=masks,
            class_id=present.astype(np.int64),
            data={'class_name': np.array([self.names[k] for k in present], dtype=str)},
        )


def encode_masks(masks: np.ndarray) -> list[dict]:
    """Compressed RLEs, ``{'size': [H, W], 'counts': str}``, of masks, bool (N, H, W)."""
    size = list(masks.shape[1:])
    starts = np.empty(size, np.uint8)  # one for all: fresh memory takes longer than what is done in it
    runs = [{'size': size, 'counts': _runs(mask, starts)} for mask in np.asarray(masks).view(np.uint8)]
    encoded = rle.frPyObjects(runs, *size) if runs else []
    return [{**mask, 'counts': mask['counts'].decode('ascii')} for mask in encoded]


def _runs(mask: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The lengths of the runs of 0, 1, 0, ... down the columns of a mask; the first may be 0.

    The pixels that differ from the one before are sought along the rows, as the mask is in memory; those few are then
    put in order.

    Args:
        mask, starts: uint8 (H, W); the latter is overwritten.
    """
    height, width = mask.shape
    np.bitwise_xor(mask[1:], mask[:-1], out=starts[1:])
    np.bitwise_xor(mask[0, 1:], mask[-1, :-1], out=starts[0, 1:])  # a column goes on at the top of the next one
    starts[0, 0] = mask[0, 0]
    rows, columns = np.divmod(np.flatnonzero(starts.view(bool)), width)
    return np.diff(np.concatenate([[0], np.sort(columns * height + rows), [mask.size]]))


def _image_to_draw_on(path: str | None, image: np.ndarray | None, size: Sequence[int] | None = None) -> np.ndarray:
    if image is None:
        if path is None:
            raise UserError('the result comes from no file: hand over the image to draw on')
        image = read_rgb(path)
    if size is not None and tuple(size) != image.shape[:2]:
        raise UserError(
            f'{path}: the image is {image.shape[1]} x {image.shape[0]}, the result is for {size[1]} x {size[0]}: '
            'draw on the image that it was made from'
        )
    return image


def _saved(drawn: np.ndarray, out: str | Path | None) -> np.ndarray:
    if out is not None:
        _save(Image.fromarray(drawn), out)
    return drawn


def _save(image: Image.Image, out: str | Path) -> None:
    try:
        with atomic_write(out) as temporary:
            image.save(temporary, quality=95, subsampling=0)  # JPEG: text and thin lines stay sharp
    except (OSError, ValueError) as error:  # ValueError: no format has this suffix
        reason = getattr(error, 'strerror', None) or error
        raise UserError(f'{out} cannot be written ({reason}): choose another place or name') from None


def _box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _supervision() -> Any:
    try:
        return importlib.import_module('supervision')
    except ModuleNotFoundError:
        raise UserError('to_supervision() needs the supervision package: pip install supervision') from None
