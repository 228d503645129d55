# Mask2Former with ConvNeXt-T on COCO's panoptic annotations, in crops of 1024 pixels, 50 epochs. There is no published
# result; model, data and schedule are those of mmdet's mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco-panoptic.py (PQ
# 53.4, published by mmdet), with the official raw weights on ImageNet-1k. As there, norms and queries have no weight
# decay, and the backbone a tenth of the lr. LayerScale begins at 1, as in all official ConvNeXts for dense prediction.
#   torchrun --nproc_per_node=8 tools/train.py configs/panoptic/mask2former_convnext_t_coco.py --launcher pytorch
#   python tools/train.py configs/panoptic/mask2former_convnext_t_coco.py --data sample    # minutes on a laptop
_base_ = [
    '../_base_/datasets/coco_panoptic.py',
    '../_base_/models/mask2former.py',
    '../_base_/schedules/coco_50_epochs.py',
]
sample_settings = '_base_/sample/mask2former_panoptic.py'

pretrained = 'convnext_tiny_1k_224'
model = dict(
    backbone=dict(
        type='convnext_dense.ConvNeXt',
        arch='tiny',
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.3,
        layer_scale_init_value=1.0,
    ),
    panoptic_head=dict(in_channels=[96, 192, 384, 768]),
)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=1.0,
        custom_keys=dict(
            backbone=dict(lr_mult=0.1),
            query_embed=dict(decay_mult=0.0),
            query_feat=dict(decay_mult=0.0),
            level_embed=dict(decay_mult=0.0),
        ),
    ),
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05),  # lr at total_batch_size
    clip_grad=dict(max_norm=0.01, norm_type=2),
)
default_hooks = dict(checkpoint=dict(best='raw/PQ'))
