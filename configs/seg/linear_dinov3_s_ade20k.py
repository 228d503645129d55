# A linear head on the frozen features of DINOv3's ConvNeXt-S, on ADE20K at 512 pixels: mIoU 44.8 (published).
_base_ = './linear_dinov3_t_ade20k.py'

pretrained = 'dinov3_small'
model = dict(
    backbone=dict(arch='small'),
)
