"""Data for semantic segmentation: folders of images and masks. ``dataset`` and ``transforms`` import mmcv."""
