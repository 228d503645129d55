"""Data for detection and instance segmentation: COCO files. Only ``dataset`` imports mmcv."""
