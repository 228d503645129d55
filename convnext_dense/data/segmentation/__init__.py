"""Semantic segmentation: folders of images and masks. ``dataset`` imports mmcv, the others do not."""
