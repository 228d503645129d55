# RTMDet-l with ConvNeXt-B on COCO, 100 epochs: box AP 53.1 (published by mmdet, whose mosaics and mixed images are of
# remembered images).
_base_ = './rtmdet_convnext_t_coco.py'

pretrained = 'convnext_base_22k_1k_384'
model = dict(
    backbone=dict(arch='base', drop_path_rate=0.7),
    neck=dict(in_channels=[256, 512, 1024]),
)
