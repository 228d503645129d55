"""Panoptic segmentation: COCO's panoptic files, their data set and transform, checks."""
