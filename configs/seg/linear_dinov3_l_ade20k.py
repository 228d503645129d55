# A linear head on the frozen features of DINOv3's ConvNeXt-L, on ADE20K at 512 pixels: mIoU 47.8 (published).
_base_ = './linear_dinov3_t_ade20k.py'

pretrained = 'dinov3_large'
model = dict(
    backbone=dict(arch='large'),
    decode_head=dict(in_channels=1536),
)
