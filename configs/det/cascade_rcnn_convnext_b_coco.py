# Cascade R-CNN with ConvNeXt-B on COCO, for boxes alone. There is no published result; the recipe is that of
# cascade_convnext_b_coco.py.
_base_ = './cascade_rcnn_convnext_t_coco.py'

pretrained = 'convnext_base_1k_224'
model = dict(
    backbone=dict(arch='base', drop_path_rate=0.7),
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.8))
