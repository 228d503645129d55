# RTMDet-l with ConvNeXt-T on COCO, 100 epochs, from weights of ImageNet-22k, then 1k at 384. There is no published
# result; the recipe is mmdet's rtmdet_l_convnext_b_4xb32-100e_coco.py, with less stochastic depth.
_base_ = [
    '../_base_/datasets/coco_mosaic.py',
    '../_base_/models/rtmdet.py',
    '../_base_/schedules/coco_100_epochs.py',
]
sample_settings = '_base_/sample/rtmdet.py'

pretrained = 'convnext_tiny_22k_1k_384'
model = dict(
    backbone=dict(
        type='convnext_dense.ConvNeXt',
        arch='tiny',
        out_indices=(1, 2, 3),
        drop_path_rate=0.4,
        layer_scale_init_value=1.0,
        with_cp=True,
    ),
    neck=dict(in_channels=[192, 384, 768]),
)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    paramwise_cfg=dict(decay_rate=0.8, scheme='layer_wise'),
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=0.05),  # lr at total_batch_size
)
