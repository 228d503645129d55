"""The sample pages as files: an image folder, COCO and ADE20K's layout.

Every image has its own random stream, made from (version, split, index), so that the files are the
same however many processes write them and in whatever order. The functions here run in worker
processes: nothing of torch is needed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as rle

from .landscape import REGIONS
from .page import FINE, Page, finish, middle, regions
from .scene import draw_portrait, draw_scene
from .things import THINGS

SPLITS = ('train', 'val')
ADE_SPLITS = {'train': 'training', 'val': 'validation'}
NAMES = (*REGIONS, *(thing.name for thing in THINGS))
"""Labels 1..K of the ADE20K masks, in order: the regions of a landscape, then the things."""
CATEGORY_IDS = tuple(1 + index + index // 3 for index in range(len(THINGS)))
"""COCO's category ids have gaps, and so have these: 1 2 3 5 6 7 9 ..."""
HIDDEN = 0.7  # a thing of which more than this share is hidden is not annotated
BARE = 30  # every so many scenes one is a bare landscape
LEAST = 24  # nor one that shows fewer pixels
HOLE = 4  # pixels of holes that make an outline too coarse
JPEG_QUALITY = 90
SCENE_SIZES = ((256, 192), (256, 192), (272, 192), (240, 192), (256, 176), (200, 240))  # width, height

PORTRAIT, SCENE = range(2)


def _rng(version: int, kind: int, split: str, index: int) -> np.random.Generator:
    return np.random.default_rng([version, kind, SPLITS.index(split), index])


def _write(path: Path, image: np.ndarray) -> None:
    """Write ``image``, uint8 (H, W) or RGB (H, W, 3), as its suffix says; OSError where it can't be."""
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if path.suffix == '.jpg' else []
    path.write_bytes(cv2.imencode(path.suffix, image, options)[1].tobytes())


def make_folders(root: Path) -> None:
    """The empty folders of the three formats, and ADE20K's class names."""
    for split in SPLITS:
        for thing in THINGS:
            (root / 'classification' / split / thing.name).mkdir(parents=True)
        (root / 'coco' / f'{split}2017').mkdir(parents=True)
        for kind in ('images', 'annotations'):
            (root / 'ade20k' / kind / ADE_SPLITS[split]).mkdir(parents=True)
    (root / 'coco' / 'annotations').mkdir()
    (root / 'ade20k' / 'classes.txt').write_text('\n'.join(NAMES) + '\n', encoding='utf-8')


def write_portrait(root: Path, version: int, split: str, index: int) -> None:
    """Draw and write one classification image, 72 to 88 pixels a side; classes take turns by index."""
    rng = _rng(version, PORTRAIT, split, index)
    kind = index % len(THINGS)
    width, height = rng.integers(72, 89, 2).tolist()
    page = draw_portrait(kind, width, height, rng)
    name = THINGS[kind].name
    path = root / 'classification' / split / name / f'{name}_{index // len(THINGS):05d}.jpg'
    _write(path, finish(page, rng))


def write_scene(root: Path, version: int, split: str, index: int) -> dict:
    """Draw one scene and write its COCO image, its ADE20K image and its ADE20K label map.

    Returns:
        The COCO image, with its annotations under ``annotations``; those have no id yet.
    """
    rng = _rng(version, SCENE, split, index)
    width, height = SCENE_SIZES[rng.integers(len(SCENE_SIZES))]
    page = draw_scene(width, height, rng, bare=index % BARE == BARE - 1)
    image, owner, labels = finish(page, rng), middle(page.owner), regions(page)
    labels[owner != 0] = 0
    annotations = []
    for number, group in enumerate(page.groups, 1):
        mask = owner == number
        shown = int(mask.sum())
        if shown < max(LEAST, (1 - HIDDEN) * group.whole / FINE**2):
            continue
        labels[mask] = len(REGIONS) + 1 + group.thing
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        annotations.append(
            {
                'image_id': index + 1,
                'category_id': CATEGORY_IDS[group.thing],
                'bbox': [float(cols[0]), float(rows[0]), float(np.ptp(cols) + 1), float(np.ptp(rows) + 1)],
                'area': float(shown),
                'iscrowd': int(group.crowd),
                'segmentation': _runs(mask) if group.crowd else _outline(page, number, mask),
            }
        )
    name, ade_name, ade = f'{index + 1:012d}.jpg', f'ADE_{split}_{index + 1:08d}', root / 'ade20k'
    _write(root / 'coco' / f'{split}2017' / name, image)
    _write(ade / 'images' / ADE_SPLITS[split] / f'{ade_name}.jpg', image)
    _write(ade / 'annotations' / ADE_SPLITS[split] / f'{ade_name}.png', labels)
    return {'id': index + 1, 'file_name': name, 'width': width, 'height': height, 'annotations': annotations}


def _runs(mask: np.ndarray) -> dict:
    """A mask as uncompressed RLE: lengths of runs of 0 and 1 in turn, column by column, zeros first."""
    flat = mask.ravel(order='F')
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {'size': list(mask.shape), 'counts': [0, *counts] if flat[0] else counts}


def _outline(page: Page, number: int, mask: np.ndarray) -> list[list[float]] | dict:
    """A group's mask as COCO polygons, or, where it has holes polygons can't tell, as compressed RLE."""
    # Contours run through the middles of pixels; one more to the right and below, they run along the edges.
    fine = cv2.copyMakeBorder((page.owner == number).view(np.uint8), 0, 1, 0, 1, cv2.BORDER_CONSTANT)
    fine = cv2.dilate(fine, np.ones((2, 2), np.uint8))
    contours, parents = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    polygons, holes = [], 0.0
    for contour, (*_, parent) in zip(contours, parents[0], strict=True):
        area = cv2.contourArea(contour) / FINE**2
        if parent >= 0:
            holes += area
        elif area > 0.3:
            corners = cv2.approxPolyDP(contour, 0.9, True)[:, 0]
            polygons.append((corners / FINE).round(2).ravel().tolist())
    if holes > HOLE or not polygons:
        packed = rle.encode(np.asfortranarray(mask.view(np.uint8)))
        return {'size': list(packed['size']), 'counts': packed['counts'].decode('ascii')}
    return [polygon for polygon in polygons if len(polygon) >= 6]


def write_coco(root: Path, split: str, images: Sequence[dict]) -> None:
    """Write ``instances_{split}2017.json`` from what ``write_scene`` returned."""
    annotations = [annotation for image in images for annotation in image.pop('annotations')]
    for number, annotation in enumerate(annotations, 1):
        annotation['id'] = number
    content = {
        'info': {'description': 'convnext_dense sample: procedurally drawn storybook scenes'},
        'licenses': [],
        'images': list(images),
        'annotations': annotations,
        'categories': [
            {'id': number, 'name': thing.name, 'supercategory': thing.kind}
            for number, thing in zip(CATEGORY_IDS, THINGS, strict=True)
        ],
    }
    path = root / 'coco' / 'annotations' / f'instances_{split}2017.json'
    path.write_text(json.dumps(content, separators=(',', ':')), encoding='utf-8')
