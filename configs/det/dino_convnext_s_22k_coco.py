# DINO-4scale with ConvNeXt-S on COCO, 12 epochs, from weights of ImageNet-22k, then 1k at 384:
# box AP 54.2 (published by detrex).
_base_ = './dino_convnext_t_coco.py'

pretrained = 'convnext_small_22k_1k_384'
model = dict(
    backbone=dict(arch='small'),
)
