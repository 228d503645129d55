# DINO-4scale with ConvNeXt-S on COCO, 12 epochs, from ImageNet-1k weights: box AP 52.0 (published by detrex).
_base_ = './dino_convnext_t_coco.py'

pretrained = 'convnext_small_1k_224'
model = dict(
    backbone=dict(arch='small'),
)
