# Mask2Former with ConvNeXt-T on ADE20K at 640 pixels. There is no published result. The nearest published recipe is
# that of OneFormer with ConvNeXt-L and XL (github.com/SHI-Labs/OneFormer, configs/ade20k/convnext), whose head adds
# text and a task token to Mask2Former's. From it: weights fine-tuned at 384 pixels, LayerScale 1, drop path 0.4, 250
# queries, scales, crops and colors of the data, AdamW, its lr and a tenth of it for the backbone, the clipped
# gradient, 160k steps of 16 images, mixed precision, and images of 640 pixels in testing, at most 2560 long. From
# mmseg's configs/mask2former: the head, losses and matching, the decay of the lr, no weight decay for norms and
# queries. Other than in OneFormer, crops avoid a single class as in mmseg, and scales are drawn from a range rather
# than from 16 values.
#   torchrun --nproc_per_node=8 tools/train.py configs/seg/mask2former_convnext_t_ade20k.py --launcher pytorch
#   python tools/train.py configs/seg/mask2former_convnext_t_ade20k.py --data sample    # minutes on a laptop
_base_ = [
    '../_base_/datasets/ade20k_640.py',
    '../_base_/models/mask2former_segmentor.py',
    '../_base_/schedules/ade20k_160k_poly09.py',
]
sample_settings = '_base_/sample/mask2former_segmentor.py'

pretrained = 'convnext_tiny_22k_1k_384'
model = dict(
    backbone=dict(
        type='convnext_dense.ConvNeXt',
        arch='tiny',
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.4,
        layer_scale_init_value=1.0,
    ),
    decode_head=dict(in_channels=[96, 192, 384, 768], num_queries=250),
)
optim_wrapper = dict(
    type='AmpOptimWrapper',
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
