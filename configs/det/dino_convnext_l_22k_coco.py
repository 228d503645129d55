# DINO-4scale with ConvNeXt-L on COCO, 12 epochs, from weights of ImageNet-22k, then 1k at 384:
# box AP 55.5 (published by detrex).
_base_ = './dino_convnext_t_coco.py'

pretrained = 'convnext_large_22k_1k_384'
model = dict(
    backbone=dict(arch='large'),
    neck=dict(in_channels=[384, 768, 1536]),
)
