# Mask2Former with ConvNeXt-S on COCO's panoptic annotations. There is no published result; the recipe is tiny's.
_base_ = './mask2former_convnext_t_coco.py'

pretrained = 'convnext_small_1k_224'
model = dict(backbone=dict(arch='small'))
