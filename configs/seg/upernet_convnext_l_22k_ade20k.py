# UPerNet with ConvNeXt-L on ADE20K at 640 pixels, from ImageNet-22k weights:
# mIoU 53.2 single-scale, 53.7 multi-scale, 235M parameters, 2458 GFLOPs (MACs) (published).
_base_ = './upernet_convnext_b_22k_ade20k.py'

pretrained = 'convnext_large_22k_224'
model = dict(
    backbone=dict(arch='large'),
    decode_head=dict(in_channels=[192, 384, 768, 1536]),
    auxiliary_head=dict(in_channels=768),
)
optim_wrapper = dict(type='OptimWrapper')  # float32
