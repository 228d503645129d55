"""Classes of published data sets whose files don't list them: Cityscapes, Pascal VOC, and CamVid as SegNet has it."""

from __future__ import annotations

import os
import re

from ...io.images import UNLABELED
from .label_zero import ClassList
from .readers import Color, TableReader

CITYSCAPES = (
    *('road', 'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic light', 'traffic sign', 'vegetation'),
    *('terrain', 'sky', 'person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle'),
)
CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The id of each of the classes, from cityscapesScripts' labels.py; the other ids are void in evaluation."""
VOC = (
    *('background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow'),
    *('diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor'),
)
VOC_BORDER: Color = (224, 224, 192)
"""Color of pixels between objects, which are unlabeled."""
CAMVID = (
    *('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign symbol', 'fence', 'car', 'pedestrian'),
    'bicyclist',
)
CAMVID_VOID = 11

CITYSCAPES_READER = TableReader('cityscapes', {own: label for label, own in enumerate(CITYSCAPES_IDS)}, UNLABELED)
CAMVID_READER = TableReader(
    'camvid', {**{label: label for label in range(len(CAMVID))}, CAMVID_VOID: UNLABELED, UNLABELED: UNLABELED}, None
)

_CITYSCAPES_FILE = re.compile(r'.+_gt(Fine|Coarse)_label(?P<kind>TrainIds|Ids)\.\w+')
_VOC_FILE = re.compile(r'\d{4}_\d{6}\.\w+')
_CAMVID_FILE = re.compile(r'(0001TP|0006R0|0016E5|Seq05VD)_f?\d+\.\w+')


def voc_colors() -> list[Color]:
    """Compute the colors of VOC's classes: the bits of a label, from the lowest on, are the highest of R, G, B."""
    bits = [[label >> (3 * place) & 7 for place in range(8)] for label in range(len(VOC))]
    return [
        (
            sum((three & 1) << (7 - place) for place, three in enumerate(own)),
            sum((three >> 1 & 1) << (7 - place) for place, three in enumerate(own)),
            sum((three >> 2 & 1) << (7 - place) for place, three in enumerate(own)),
        )
        for own in bits
    ]


def known_kind(mask: str) -> str | None:
    """Return the kind of masks that the name of a mask tells, or None."""
    name = os.path.basename(mask)
    cityscapes = _CITYSCAPES_FILE.fullmatch(name)
    if cityscapes:
        return 'cityscapes' if cityscapes['kind'] == 'Ids' else 'index'
    return 'camvid' if _is_camvid(mask) else None


def known_classes(mask: str, kind: str) -> ClassList | None:
    """Return the classes of a published data set by the name of a mask and the kind of masks, or None."""
    name, folder = os.path.basename(mask), os.path.basename(os.path.dirname(mask))
    if kind == 'cityscapes' or (kind == 'index' and _CITYSCAPES_FILE.fullmatch(name)):
        return ClassList('Cityscapes', CITYSCAPES, is_complete=True)
    if kind == 'camvid':
        return ClassList('CamVid', CAMVID, is_complete=True)
    if folder.startswith('SegmentationClass') and _VOC_FILE.fullmatch(name) and kind in ('index', 'color'):
        return ClassList('Pascal VOC', VOC, is_complete=True, colors=voc_colors(), void=[VOC_BORDER])
    return None


def _is_camvid(mask: str) -> bool:
    name, folder = os.path.basename(mask), os.path.basename(os.path.dirname(mask))
    return folder.endswith('annot') and _CAMVID_FILE.fullmatch(name) is not None
