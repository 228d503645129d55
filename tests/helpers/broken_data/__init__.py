"""Small data sets of each task, and mutations that break them as people's files are broken."""

from .classes import CLASSES, write_images
from .coco import COCO, write_coco
from .images import IMAGES
from .masks import MASKS, write_masks
from .mutation import Mutation

__all__ = ['CLASSES', 'COCO', 'IMAGES', 'MASKS', 'Mutation', 'write_coco', 'write_images', 'write_masks']
