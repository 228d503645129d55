# DINO-4scale with ConvNeXt-B on COCO, 12 epochs, from ImageNet-1k weights: box AP 52.6 (published by detrex).
_base_ = './dino_convnext_t_coco.py'

pretrained = 'convnext_base_1k_224'
model = dict(
    backbone=dict(arch='base'),
    neck=dict(in_channels=[256, 512, 1024]),
)
