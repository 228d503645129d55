# UPerNet with ConvNeXt-S on ADE20K at 512 pixels, from ImageNet-1k weights:
# mIoU 48.7 single-scale, 49.6 multi-scale, 82M parameters, 1027 GFLOPs (MACs) (published).
_base_ = './upernet_convnext_t_ade20k.py'

pretrained = 'convnext_small_1k_224'
model = dict(
    backbone=dict(arch='small', drop_path_rate=0.3),
)
