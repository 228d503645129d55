# DINO-4scale with ConvNeXt-T on COCO, 12 epochs, from weights of ImageNet-22k, then 1k at 384:
# box AP 52.4 (published by detrex).
_base_ = './dino_convnext_t_coco.py'

pretrained = 'convnext_tiny_22k_1k_384'
