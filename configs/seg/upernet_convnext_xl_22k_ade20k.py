# UPerNet with ConvNeXt-XL on ADE20K at 640 pixels, from ImageNet-22k weights:
# mIoU 53.6 single-scale, 54.0 multi-scale, 391M parameters, 3335 GFLOPs (MACs) (published).
_base_ = './upernet_convnext_b_22k_ade20k.py'

pretrained = 'convnext_xlarge_22k_224'
model = dict(
    backbone=dict(arch='xlarge'),
    decode_head=dict(in_channels=[256, 512, 1024, 2048]),
    auxiliary_head=dict(in_channels=1024),
)
optim_wrapper = dict(
    type='OptimWrapper',  # float32
    optimizer=dict(lr=8e-5),
)
