# A linear head on the frozen features of DINOv3's ConvNeXt-B, on ADE20K at 512 pixels: mIoU 46.3 (published).
_base_ = './linear_dinov3_t_ade20k.py'

pretrained = 'dinov3_base'
model = dict(
    backbone=dict(arch='base'),
    decode_head=dict(in_channels=1024),
)
