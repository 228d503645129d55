# Cascade Mask R-CNN with ConvNeXt-B on COCO, from ImageNet-1k weights:
# box AP 52.7, mask AP 45.6, 146M parameters, 964 GFLOPs (MACs) (published).
_base_ = './cascade_convnext_t_coco.py'

pretrained = 'convnext_base_1k_224'
model = dict(
    backbone=dict(arch='base', drop_path_rate=0.7),
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
optim_wrapper = dict(
    paramwise_cfg=dict(decay_rate=0.8),
    optimizer=dict(lr=2e-4),
)
