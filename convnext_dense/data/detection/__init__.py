"""Detection and instance segmentation: COCO files. ``dataset`` imports mmcv, the others do not."""
