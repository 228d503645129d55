# Mask2Former with ConvNeXt-B on ADE20K at 640 pixels. There is no published result; the recipe is tiny's.
_base_ = './mask2former_convnext_t_ade20k.py'

pretrained = 'convnext_base_22k_1k_384'
model = dict(
    backbone=dict(arch='base'),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
)
