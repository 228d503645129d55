# Mask2Former with ConvNeXt-XL on ADE20K at 640 pixels. There is no published result; the recipe is tiny's.
# OneFormer with this backbone has mIoU 57.4 single-scale and 58.8 multi-scale (published by its authors).
_base_ = './mask2former_convnext_t_ade20k.py'

pretrained = 'convnext_xlarge_22k_1k_384_ema'
model = dict(
    backbone=dict(arch='xlarge'),
    decode_head=dict(in_channels=[256, 512, 1024, 2048]),
)
