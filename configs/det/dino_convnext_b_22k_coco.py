# DINO-4scale with ConvNeXt-B on COCO, 12 epochs, from weights of ImageNet-22k, then 1k at 384:
# box AP 55.1 (published by detrex).
_base_ = './dino_convnext_t_coco.py'

pretrained = 'convnext_base_22k_1k_384'
model = dict(
    backbone=dict(arch='base'),
    neck=dict(in_channels=[256, 512, 1024]),
)
