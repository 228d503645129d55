# RetinaNet with ConvNeXt-T on COCO, 3x schedule, for boxes alone. There is no published result; the recipe is that of
# mask_rcnn_convnext_t_coco.py.
_base_ = [
    '../_base_/datasets/coco.py',
    '../_base_/models/retinanet.py',
    '../_base_/schedules/coco_3x.py',
]
sample_settings = '_base_/sample/retinanet.py'

pretrained = 'convnext_tiny_1k_224'
model = dict(
    backbone=dict(type='convnext_dense.ConvNeXt', arch='tiny', drop_path_rate=0.4, layer_scale_init_value=1.0),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
optim_wrapper = dict(
    type='AmpOptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    paramwise_cfg=dict(decay_rate=0.95, scheme='layer_wise'),
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),
)
