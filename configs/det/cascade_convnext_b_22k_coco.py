# Cascade Mask R-CNN with ConvNeXt-B on COCO, from ImageNet-22k weights:
# box AP 54.0, mask AP 46.9, 146M parameters, 964 GFLOPs (MACs) (published).
_base_ = './cascade_convnext_t_coco.py'

pretrained = 'convnext_base_22k_224'
model = dict(
    backbone=dict(arch='base', drop_path_rate=0.6),
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
optim_wrapper = dict(
    paramwise_cfg=dict(decay_rate=0.8),
    optimizer=dict(lr=1e-4),
)
