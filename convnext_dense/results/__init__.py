"""What models find, as plain objects that draw themselves and become JSON."""

from .results import UNLABELLED, Classification, Detection, Segmentation, encode_masks

__all__ = ['UNLABELLED', 'Classification', 'Detection', 'Segmentation', 'encode_masks']
