"""What models find, as plain objects that draw themselves and become JSON."""

from .results import UNLABELED, Classification, Detection, Segmentation, encode_masks

__all__ = ['UNLABELED', 'Classification', 'Detection', 'Segmentation', 'encode_masks']
