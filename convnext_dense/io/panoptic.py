"""The panoptic ground truth of an image: a PNG file whose colors are the ids of segments, and a list of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypedDict

import numpy as np

from .color_masks import BadLabels, read_colors
from .image_size import ImageSize
from .window import Window

VOID = 0
"""Id of the pixels of no segment."""
MOST_SEGMENTS = (1 << 24) - 1
"""Largest id of a segment that a color can stand for."""
INSTANCE_OFFSET = 1000
"""mmdet's panoptic predictions are label + 1000 * number of the instance (``mmdet.structures.INSTANCE_OFFSET``)."""
NO_SEGMENTS = (
    'the model predicts no panoptic segmentation: take one with a panoptic_fusion_head, and '
    'model.test_cfg.panoptic_on=True'
)
UNKNOWN_SEGMENTS = 'with segments that the JSON file lacks'
WRONG_SIZE = 'of another size than its image'


class Segment(TypedDict):
    """A segment of an image."""

    id: int
    """Its id in the PNG file, from 1 to 2**24 - 1."""
    label: int
    """Index of its class, things first."""
    iscrowd: int
    """1 for a group of things whose borders are not annotated, otherwise 0."""
    area: int | None
    """Number of its pixels by the annotations; None where they don't tell."""


class _PanopticTruth(TypedDict):
    segments_file: str
    segments: list[Segment]


class PanopticTruth(_PanopticTruth, total=False):
    """The ground truth of an image, without the pixels: the PNG file and its segments.

    ``things`` is the number of classes that are things, which have the first labels; ``size`` the height and width
    that the file must have. ``replaced``, if the classes are chosen, has ids of the file and what they become: the id
    of the segment that they are joined to, or :data:`VOID`.
    """

    things: int
    replaced: Mapping[int, int]
    size: tuple[int, int]


class Segments(NamedTuple):
    """The panoptic ground truth of an image, with the pixels."""

    ids: np.ndarray
    """int32 (H, W): the id of the segment of each pixel, or :data:`VOID`; there are no others."""
    segments: list[Segment]
    """The segments, each with the number of its pixels as ``area``; one that has none is among them."""


def read_segment_ids(path: str, retry_missing: bool = False, window: Window | None = None) -> np.ndarray:
    """Read the ids of the segments from the colors of a PNG file: R + 256 G + 65536 B, as int32 (H, W).

    Args:
        path: the file.
        retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`.
        window: the part that is read; None for all of it.

    Raises:
        UserError: if it can't be read, or has no colors of 8 bits without loss.
    """
    colors = read_colors(path, retry_missing, window)
    return (colors >> 16) | (colors & 0xFF00) | (colors & 0xFF) << 16


def colors_of_ids(ids: np.ndarray) -> np.ndarray:
    """Return the colors that stand for ids of segments, uint8 (..., 3), RGB; see :func:`read_segment_ids`."""
    return np.stack([ids & 255, ids >> 8 & 255, ids >> 16 & 255], axis=-1).astype(np.uint8)


def id_of_color(color: np.ndarray) -> int:
    """Return the id of a segment that a color stands for, RGB; see :func:`read_segment_ids`."""
    red, green, blue = (int(value) for value in color)
    return red + 256 * green + 65536 * blue


def read_segments(truth: PanopticTruth, retry_missing: bool = False, window: Window | None = None) -> Segments:
    """Read the panoptic ground truth of an image.

    Args:
        truth: the file and its segments.
        retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`.
        window: the part that is read, in which the areas are counted; None for all of it.

    Raises:
        UserError: if the file can't be read, has another size, or pixels of a segment that is not in the list.
    """
    path, replaced = truth['segments_file'], truth.get('replaced', {})
    ids = read_segment_ids(path, retry_missing, window)
    if window is None:
        check_segments_size(truth, ids)
    numbers, places, counts = np.unique(ids, return_inverse=True, return_counts=True)
    check_known(truth, dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
    if replaced:
        own = np.array([replaced.get(number, number) for number in numbers.tolist()], np.int32)
        ids = own[places].reshape(ids.shape)
        numbers, counts = np.unique(ids, return_counts=True)
    pixels = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    counted = [Segment(**{**one, 'area': pixels.get(one['id'], 0)}) for one in truth['segments']]
    return Segments(ids, counted)


def check_segments_size(truth: PanopticTruth, ids: np.ndarray) -> None:
    """Check that the ids of a whole image have the annotated size.

    Raises:
        BadLabels: if not.
    """
    if truth.get('size', ids.shape) != ids.shape:
        sizes = f'{ImageSize.of(ids)}, annotations: {ImageSize(*truth["size"])}'
        raise BadLabels(truth['segments_file'], WRONG_SIZE, sizes)


def check_known(truth: PanopticTruth, pixels: Mapping[int, int]) -> None:
    """Check that the segments of the PNG file, by their numbers of pixels, are in the list.

    Raises:
        BadLabels: if not.
    """
    known = known_ids(truth)
    unknown = {number: count for number, count in pixels.items() if number not in known}
    if unknown:
        raise BadLabels(truth['segments_file'], UNKNOWN_SEGMENTS, describe_unknown(unknown))


def known_ids(truth: PanopticTruth) -> set[int]:
    """Return the ids that the PNG file may have."""
    return {VOID, *truth.get('replaced', {}), *(segment['id'] for segment in truth['segments'])}


def describe_unknown(pixels: Mapping[int, int]) -> str:
    """Describe the pixels of segments that are not listed, by id: ``'12 pixels of 7, 9'``."""
    named = ', '.join(map(str, list(pixels)[:3])) + (', ...' if len(pixels) > 3 else '')
    return f'{sum(pixels.values())} pixels of {named}'
