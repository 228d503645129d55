# `--data sample` for Mask R-CNN.
_base_ = './detection.py'

model = dict(train_cfg=dict(rcnn=dict(sampler=dict(num=64))))
