# A linear head on the frozen features of ConvNeXt-L trained on ImageNet-22k, on ADE20K at 512 pixels. There is no
# published result; the recipe is tiny's.
_base_ = './linear_convnext_t_ade20k.py'

pretrained = 'convnext_large_22k_224'
model = dict(
    backbone=dict(arch='large'),
    decode_head=dict(in_channels=1536),
)
