# `--data sample-large` in panoptic segmentation: as in detection.
_base_ = './large_detection.py'
