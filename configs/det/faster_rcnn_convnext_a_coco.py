# Faster R-CNN with ConvNeXt-A (atto) and light heads on COCO, for boxes alone, on CPUs and edge devices.
# There is no published result; the recipe is that of mask_rcnn_convnext_t_coco.py without AMP and stochastic depth.
_base_ = [
    '../_base_/datasets/coco.py',
    '../_base_/models/light_faster_rcnn.py',
    '../_base_/schedules/coco_3x.py',
]
sample_settings = '_base_/sample/mask_rcnn.py'

pretrained = 'work_dirs/convnext_a/epoch_300.pth'  # there are no official weights: train convnext_a.py first
model = dict(
    backbone=dict(type='convnext_dense.ConvNeXt', arch='atto', layer_scale_init_value=1.0),
    neck=dict(in_channels=[40, 80, 160, 320]),
)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    paramwise_cfg=dict(decay_rate=0.95, scheme='layer_wise'),
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),  # lr at total_batch_size
)
