# DINO-4scale with ConvNeXt-L on COCO, 12 epochs, from ImageNet-1k weights: box AP 53.4 (published by detrex).
_base_ = './dino_convnext_t_coco.py'

pretrained = 'convnext_large_1k_224_ema'
model = dict(
    backbone=dict(arch='large'),
    neck=dict(in_channels=[384, 768, 1536]),
)
