# Mask2Former with ConvNeXt-L on ADE20K at 640 pixels. There is no published result; the recipe is tiny's.
# OneFormer with this backbone has mIoU 56.6 single-scale and 57.4 multi-scale (published by its authors).
_base_ = './mask2former_convnext_t_ade20k.py'

pretrained = 'convnext_large_22k_1k_384'
model = dict(
    backbone=dict(arch='large'),
    decode_head=dict(in_channels=[192, 384, 768, 1536]),
)
