"""Write large scenes as files, in one folder for all dense tasks: TIFF images, COCO files of both kinds, label maps.

Every scene has random streams of its own, seeded by (version, split, index): one for the drawing, one for the bands.
TIFF files are not compressed, since compressed bytes differ between libraries, and windows of them are read fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...io.image_size import ImageSize
from ...io.panoptic import colors_of_ids
from ...io.rasters.packages import import_package
from ..coco import SceneEntry, SegmentInfo, add_segment, categories, write_coco_files
from .bands import BANDS, six_bands
from .land import REGIONS
from .scene import AerialScene, draw_aerial
from .things import THINGS

SPLITS = ('train', 'val')
NAMES = (*REGIONS, *(thing.name for thing in THINGS))
"""Names of the labels 1 to K in the label maps: regions of the land, then things."""
CATEGORY_IDS = tuple(range(1, len(THINGS) + 1))
STUFF_IDS = tuple(range(101, 101 + len(REGIONS)))
SEGMENT_STEP = 10_007
"""Difference between the ids of the segments of an image, which uses all three colors of the PNG files."""
TILE = (256, 256)
"""Tiles of the TIFF files."""

import_tifffile = partial(
    import_package, 'tifffile', 'the images of the large sample are TIFF files, which need', "pip install 'tifffile'"
)


def make_folders(root: Path) -> None:
    """Create the empty folders, and the list of the classes of the label maps."""
    for split in SPLITS:
        (root / 'images' / split).mkdir(parents=True)
        (root / 'annotations' / split).mkdir(parents=True)
        (root / 'annotations' / f'panoptic_{split}2017').mkdir()
    (root / 'classes.txt').write_text('\n'.join(NAMES) + '\n', encoding='utf-8')


def write_scene(
    root: Path, version: int, size: ImageSize, density: float, has_bands: bool, split: str, index: int
) -> SceneEntry:
    """Draw one scene; write its image, its label map and its segments, and return its entry in the COCO files.

    Args:
        root: the folder of the data set.
        version: of the drawings.
        size: of the scene.
        density: number of things over the usual one.
        has_bands: write six bands of 16 bits, instead of red, green and blue of 8.
        split, index: the scene.
    """
    seed = [version, SPLITS.index(split), index]
    scene = draw_aerial(size, np.random.default_rng(seed), density)
    name = f'{index + 1:04d}'
    image = six_bands(scene, np.random.default_rng([*seed, len(BANDS)])) if has_bands else scene.color
    write_image(root / 'images' / split / f'{name}.tif', image)
    labels, ids, annotations, segments = _annotate(scene, index + 1)
    folder = root / 'annotations'
    _write_png(folder / split / f'{name}.png', labels)
    _write_png(folder / f'panoptic_{split}2017' / f'{name}.png', colors_of_ids(ids)[..., ::-1])
    return {
        'id': index + 1,
        'file_name': f'{name}.tif',
        'width': size.width,
        'height': size.height,
        'annotations': annotations,
        'segments': segments,
    }


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, bands) as a TIFF file with tiles, the values of a pixel together."""
    is_rgb = image.dtype == np.uint8
    import_tifffile().imwrite(
        path,
        image,
        tile=TILE,
        photometric='rgb' if is_rgb else 'minisblack',
        planarconfig='contig',
        metadata=None,
        software=False,
    )


def write_coco(root: Path, split: str, entries: Sequence[SceneEntry]) -> None:
    """Write the COCO files of both kinds from the entries of the split's scenes."""
    things = categories(CATEGORY_IDS, [thing.name for thing in THINGS], [thing.kind for thing in THINGS])
    stuff = categories(STUFF_IDS, REGIONS, ['land'] * len(REGIONS))
    description = 'convnext_dense sample: procedurally drawn scenes seen from above'
    write_coco_files(root / 'annotations', split, entries, things, stuff, description)


def _write_png(path: Path, image: np.ndarray) -> None:
    path.write_bytes(cv2.imencode('.png', image)[1].tobytes())


def _annotate(scene: AerialScene, image_id: int) -> tuple[np.ndarray, np.ndarray, list[Any], list[SegmentInfo]]:
    """Return the label map, the map of segments, the annotations of instances, and the segments."""
    labels = scene.region.copy()
    ids = np.zeros(scene.size, np.int32)
    annotations: list[Any] = []
    segments: list[SegmentInfo] = []
    boxes = _boxes(scene.owner, len(scene.things)).tolist()
    for number, (thing, (left, top, right, bottom)) in enumerate(zip(scene.things, boxes, strict=True), 1):
        place = slice(top, bottom), slice(left, right)
        mask = scene.owner[place] == number
        labels[place][mask] = len(REGIONS) + 1 + thing
        segment = add_segment(ids[place], mask, SEGMENT_STEP * number, CATEGORY_IDS[thing], 0)
        segment['bbox'] = [left, top, right - left, bottom - top]
        segments.append(segment)
        annotations.append(
            {
                'image_id': image_id,
                'category_id': CATEGORY_IDS[thing],
                'bbox': [float(side) for side in segment['bbox']],
                'area': float(segment['area']),
                'iscrowd': 0,
                'segmentation': outline(mask, left, top),
            }
        )
    for region, category in enumerate(STUFF_IDS, 1):
        mask = labels == region
        if mask.any():
            segments.append(add_segment(ids, mask, SEGMENT_STEP * (len(segments) + 1), category, 0))
    return labels, ids, annotations, segments


def _boxes(owner: np.ndarray, count: int) -> np.ndarray:
    """Return the box of each thing in a map of their numbers, int (count, 4), as [x1, y1, x2, y2]."""
    rows, cols = np.nonzero(owner)
    numbers = owner[rows, cols] - 1
    boxes = np.empty((count, 4), np.int64)
    for side, place, joined, start in (
        (0, cols, np.minimum, owner.shape[1]),
        (1, rows, np.minimum, owner.shape[0]),
        (2, cols + 1, np.maximum, 0),
        (3, rows + 1, np.maximum, 0),
    ):
        found = np.full(count, start, np.int64)
        joined.at(found, numbers, place)
        boxes[:, side] = found
    return boxes


def outline(mask: np.ndarray, left: int, top: int) -> list[list[int]]:
    """Return the polygons around a mask without holes, which is at a place in an image, as [x, y, x, y, ...].

    They run along the edges of its pixels.
    """
    # Contours run through the centers of pixels; with one more to the right and below, they run along the edges.
    fine = cv2.copyMakeBorder(mask.view(np.uint8), 0, 1, 0, 1, cv2.BORDER_CONSTANT)
    fine = cv2.dilate(fine, np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(fine, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [(contour[:, 0] + (left, top)).ravel().tolist() for contour in contours if len(contour) > 2]
