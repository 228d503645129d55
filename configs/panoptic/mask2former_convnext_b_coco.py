# Mask2Former with ConvNeXt-B on COCO's panoptic annotations. There is no published result; the recipe is tiny's.
_base_ = './mask2former_convnext_t_coco.py'

pretrained = 'convnext_base_1k_224'
model = dict(
    backbone=dict(arch='base'),
    panoptic_head=dict(in_channels=[128, 256, 512, 1024]),
)
