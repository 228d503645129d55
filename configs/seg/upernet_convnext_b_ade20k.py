# UPerNet with ConvNeXt-B on ADE20K at 512 pixels, from ImageNet-1k weights:
# mIoU 49.1 single-scale, 49.9 multi-scale, 122M parameters, 1170 GFLOPs (MACs) (published).
_base_ = './upernet_convnext_t_ade20k.py'

pretrained = 'convnext_base_1k_224'
model = dict(
    backbone=dict(arch='base', drop_path_rate=0.4),
    decode_head=dict(in_channels=[128, 256, 512, 1024]),
    auxiliary_head=dict(in_channels=512),
)
