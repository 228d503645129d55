# Mask2Former with ConvNeXt-A (atto) and a light head on ADE20K, for CPUs and edge devices. There is no published
# result; the recipe is that of mask2former_convnext_t_ade20k.py without AMP and stochastic depth.
_base_ = [
    '../_base_/datasets/ade20k_640.py',
    '../_base_/models/light_mask2former_segmentor.py',
    '../_base_/schedules/ade20k_160k_poly09.py',
]
sample_settings = '_base_/sample/light_mask2former_segmentor.py'

pretrained = 'work_dirs/convnext_a/epoch_300.pth'  # there are no official weights: train convnext_a.py first
model = dict(
    backbone=dict(type='convnext_dense.ConvNeXt', arch='atto', out_indices=(0, 1, 2, 3), layer_scale_init_value=1.0),
    decode_head=dict(in_channels=[40, 80, 160, 320]),
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
