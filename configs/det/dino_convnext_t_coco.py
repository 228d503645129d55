# DINO-4scale with ConvNeXt-T on COCO, 12 epochs, from ImageNet-1k weights: box AP 51.4 (published by detrex).
# The recipe is that of detrex' projects/dino: the backbone learns a tenth as fast, norms and LayerScale have no weight
# decay.
#   torchrun --nproc_per_node=8 tools/train.py configs/det/dino_convnext_t_coco.py --launcher pytorch
#   python tools/train.py configs/det/dino_convnext_a_coco.py --data sample    # the small one learns on a laptop
_base_ = [
    '../_base_/datasets/coco_detr.py',
    '../_base_/models/dino.py',
    '../_base_/schedules/coco_12_epochs.py',
]
sample_settings = '_base_/sample/dino.py'

pretrained = 'convnext_tiny_1k_224'
model = dict(
    backbone=dict(
        type='convnext_dense.ConvNeXt',
        arch='tiny',
        out_indices=(1, 2, 3),
        drop_path_rate=0.0,
        layer_scale_init_value=1.0,
    ),
    neck=dict(in_channels=[192, 384, 768]),
)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    paramwise_cfg=dict(bias_decay_mult=1.0, custom_keys=dict(backbone=dict(lr_mult=0.1))),
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=1e-4),  # lr at total_batch_size
    clip_grad=dict(max_norm=0.1, norm_type=2),
)
