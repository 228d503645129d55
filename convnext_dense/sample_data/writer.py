"""Write the sample as files: an image folder, COCO files of both kinds, and images with masks in ADE20K's layout.

Every image has a random stream of its own, seeded by (version, kind, split, index), so that the files are the same
with any number of processes. The functions run in worker processes and don't need torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as rle

from ..io.coco_format import Polygons, RunLengths
from ..io.image_size import ImageSize
from ..io.panoptic import colors_of_ids
from .coco import SceneEntry, SegmentInfo, add_segment, categories, coco_box, write_coco_files
from .landscape import REGIONS
from .page import SCALE, Page, region_labels, render, subsample
from .scene import draw_portrait, draw_scene
from .things import THINGS

SPLITS = ('train', 'val')
ADE_SPLITS = {'train': 'training', 'val': 'validation'}
NAMES = (*REGIONS, *(thing.name for thing in THINGS))
"""Names of the labels 1 to K in the ADE20K masks: regions of the landscape, then things."""
CATEGORY_IDS = tuple(1 + index + index // 3 for index in range(len(THINGS)))
"""Category ids with gaps, as in COCO: 1 2 3 5 6 7 9 ..."""
STUFF_IDS = tuple(92 + index + index // 3 for index in range(len(REGIONS)))
"""Category ids of the regions in the panoptic files, from COCO's first one of stuff on, with gaps."""
SEGMENT_STEP = 70_001
"""Difference between the ids of the segments of an image, which uses all three colors of the PNG files."""
MAX_HIDDEN = 0.7
"""Maximum occluded share of a thing; things that are hidden more are not annotated."""
MIN_PIXELS = 24
"""Minimum visible pixels of a thing; smaller things are not annotated."""
EMPTY_EVERY = 30
"""Interval of scenes without things: one in this number is an empty landscape."""
MAX_HOLES = 4
"""Minimum area of a mask's holes in pixels for writing it as RLE, since polygons can't have holes."""
JPEG_QUALITY = 90
SCENE_SIZES = (
    *(ImageSize(192, 256), ImageSize(192, 256), ImageSize(192, 272)),
    *(ImageSize(192, 240), ImageSize(176, 256), ImageSize(240, 200)),
)
"""Sizes of scenes; each scene has a random one."""

PORTRAIT, SCENE = range(2)


def _rng(version: int, kind: int, split: str, index: int) -> np.random.Generator:
    return np.random.default_rng([version, kind, SPLITS.index(split), index])


def _write(path: Path, image: np.ndarray) -> None:
    """Write an image, uint8 (H, W) or RGB (H, W, 3), in the format of the suffix."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == '.jpg' else []
    path.write_bytes(cv2.imencode(path.suffix, image, options)[1].tobytes())


def make_folders(root: Path) -> None:
    """Create the empty folders of the formats, and the list of ADE20K's class names."""
    for split in SPLITS:
        for thing in THINGS:
            (root / 'classification' / split / thing.name).mkdir(parents=True)
        (root / 'coco' / f'{split}2017').mkdir(parents=True)
        (root / 'coco' / 'annotations' / f'panoptic_{split}2017').mkdir(parents=True)
        for kind in ('images', 'annotations'):
            (root / 'ade20k' / kind / ADE_SPLITS[split]).mkdir(parents=True)
    (root / 'ade20k' / 'classes.txt').write_text('\n'.join(NAMES) + '\n', encoding='utf-8')


def write_portrait(root: Path, version: int, split: str, index: int) -> None:
    """Draw and write one image for classification, 72 to 88 pixels a side; its class follows from the index."""
    rng = _rng(version, PORTRAIT, split, index)
    kind = index % len(THINGS)
    width, height = rng.integers(72, 89, 2).tolist()
    page = draw_portrait(kind, ImageSize(height, width), rng)
    name = THINGS[kind].name
    path = root / 'classification' / split / name / f'{name}_{index // len(THINGS):05d}.jpg'
    _write(path, render(page, rng))


def write_scene(root: Path, version: int, split: str, index: int) -> SceneEntry:
    """Draw one scene; write its image for COCO and for ADE20K, its segments for COCO and its label map for ADE20K."""
    rng = _rng(version, SCENE, split, index)
    size = SCENE_SIZES[rng.integers(len(SCENE_SIZES))]
    page = draw_scene(size, rng, empty=index % EMPTY_EVERY == EMPTY_EVERY - 1)
    image, owner, labels = render(page, rng), subsample(page.owner), region_labels(page)
    labels[owner != 0] = 0
    annotations: list[Any] = []
    segments: list[SegmentInfo] = []
    ids = np.zeros(labels.shape, np.int32)
    for number, group in enumerate(page.groups, 1):
        mask = owner == number
        shown = int(mask.sum())
        if shown < max(MIN_PIXELS, (1 - MAX_HIDDEN) * group.full_area / SCALE**2):
            continue
        labels[mask] = len(REGIONS) + 1 + group.thing
        box = coco_box(mask)
        segments.append(
            add_segment(ids, mask, SEGMENT_STEP * (len(segments) + 1), CATEGORY_IDS[group.thing], int(group.is_crowd))
        )
        annotations.append(
            {
                'image_id': index + 1,
                'category_id': CATEGORY_IDS[group.thing],
                'bbox': [float(side) for side in box],
                'area': float(shown),
                'iscrowd': int(group.is_crowd),
                'segmentation': _run_lengths(mask) if group.is_crowd else _outline(page, number, mask),
            }
        )
    for label, category in enumerate(STUFF_IDS, 1):
        if (mask := labels == label).any():
            segments.append(add_segment(ids, mask, SEGMENT_STEP * (len(segments) + 1), category, 0))
    name, ade_name, ade = f'{index + 1:012d}.jpg', f'ADE_{split}_{index + 1:08d}', root / 'ade20k'
    _write(root / 'coco' / f'{split}2017' / name, image)
    _write(root / 'coco' / 'annotations' / f'panoptic_{split}2017' / f'{index + 1:012d}.png', colors_of_ids(ids))
    _write(ade / 'images' / ADE_SPLITS[split] / f'{ade_name}.jpg', image)
    _write(ade / 'annotations' / ADE_SPLITS[split] / f'{ade_name}.png', labels)
    return {
        'id': index + 1,
        'file_name': name,
        'width': size.width,
        'height': size.height,
        'annotations': annotations,
        'segments': segments,
    }


def _run_lengths(mask: np.ndarray) -> RunLengths:
    """Encode a mask as uncompressed RLE."""
    flat = mask.ravel(order='F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {'size': list(mask.shape), 'counts': [0, *counts] if flat[0] else counts}


def _outline(page: Page, number: int, mask: np.ndarray) -> Polygons | RunLengths:
    """Encode the mask of a group as polygons, or, if it has holes, as compressed RLE."""
    # Contours run through the centers of pixels; with one more to the right and below, they run along the edges.
    fine = cv2.copyMakeBorder((page.owner == number).view(np.uint8), 0, 1, 0, 1, cv2.BORDER_CONSTANT)
    fine = cv2.dilate(fine, np.ones((2, 2), np.uint8))
    contours, parents = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    polygons, holes = [], 0.0
    for contour, (*_, parent) in zip(contours, parents[0], strict=True):
        area = cv2.contourArea(contour) / SCALE**2
        if parent >= 0:
            holes += area
        elif area > 0.3:
            corners = cv2.approxPolyDP(contour, 0.9, True)[:, 0]
            polygons.append((corners / SCALE).round(2).ravel().tolist())
    if holes > MAX_HOLES or not polygons:
        packed = rle.encode(np.asfortranarray(mask.view(np.uint8)))
        return {'size': list(packed['size']), 'counts': packed['counts'].decode('ascii')}
    return [polygon for polygon in polygons if len(polygon) >= 6]


def write_coco(root: Path, split: str, entries: Sequence[SceneEntry]) -> None:
    """Write the COCO files of both kinds from the entries of the split's scenes."""
    things = categories(CATEGORY_IDS, [thing.name for thing in THINGS], [thing.kind for thing in THINGS])
    stuff = categories(STUFF_IDS, REGIONS, ['landscape'] * len(REGIONS))
    description = 'convnext_dense sample: procedurally drawn storybook scenes'
    write_coco_files(root / 'coco' / 'annotations', split, entries, things, stuff, description)
