"""Predictions for images as plain objects that can be drawn and written as JSON.

Coordinates are in pixels from the top left corner of the upright image, x to the right and y down. Pixel (0, 0) covers
0 to 1 on both axes, so a box around the whole image is [0, 0, width, height]. Class k is ``names[k]``.
"""

from .classification import Classification
from .detection import Detection
from .label_map_file import LabelMapFile
from .panoptic import Panoptic, PanopticSegment
from .reconstruction import Reconstruction
from .result import Result
from .rle import decode_mask, encode_masks
from .segmentation import UNLABELED, Segmentation

__all__ = [
    'UNLABELED',
    'Classification',
    'Detection',
    'LabelMapFile',
    'Panoptic',
    'PanopticSegment',
    'Reconstruction',
    'Result',
    'Segmentation',
    'decode_mask',
    'encode_masks',
]
