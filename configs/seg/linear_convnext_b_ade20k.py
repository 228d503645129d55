# A linear head on the frozen features of ConvNeXt-B trained on ImageNet-1k, on ADE20K at 512 pixels. There is no
# published result; the recipe is tiny's.
_base_ = './linear_convnext_t_ade20k.py'

pretrained = 'convnext_base_1k_224'
model = dict(
    backbone=dict(arch='base'),
    decode_head=dict(in_channels=1024),
)
