# Cascade Mask R-CNN with ConvNeXt V2-B on COCO, from FCMAE weights. Neither the repository nor the paper prints a
# result or a recipe for it: this is V1's.
_base_ = './cascade_convnext_t_coco.py'

pretrained = 'convnextv2_base_1k_224_fcmae'
model = dict(
    backbone=dict(arch='base', version=2, drop_path_rate=0.7),
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
optim_wrapper = dict(paramwise_cfg=dict(decay_rate=0.8))
