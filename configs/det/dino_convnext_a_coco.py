# DINO with ConvNeXt-A (atto), 100 queries and light layers on COCO, for CPUs and edge devices.
# There is no published result; the recipe is tiny's.
_base_ = [
    '../_base_/datasets/coco_detr.py',
    '../_base_/models/light_dino.py',
    '../_base_/schedules/coco_12_epochs.py',
]
sample_settings = '_base_/sample/light_dino.py'

pretrained = 'work_dirs/convnext_a/epoch_300.pth'  # there are no official weights: train convnext_a.py first
model = dict(
    backbone=dict(type='convnext_dense.ConvNeXt', arch='atto', out_indices=(1, 2, 3), layer_scale_init_value=1.0),
    neck=dict(in_channels=[80, 160, 320]),
)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    paramwise_cfg=dict(bias_decay_mult=1.0, custom_keys=dict(backbone=dict(lr_mult=0.1))),
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=1e-4),  # lr at total_batch_size
    clip_grad=dict(max_norm=0.1, norm_type=2),
)
