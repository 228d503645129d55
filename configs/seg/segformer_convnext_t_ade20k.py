# SegFormer's head with ConvNeXt-T on ADE20K at 512 pixels. There is no published result: the head is that of
# mmseg's segformer_mit-b0_8xb2-160k_ade20k-512x512.py, the recipe that of upernet_convnext_t_ade20k.py.
#   torchrun --nproc_per_node=8 tools/train.py configs/seg/segformer_convnext_t_ade20k.py --launcher pytorch
#   python tools/train.py configs/seg/segformer_convnext_t_ade20k.py --data sample    # minutes on a laptop
_base_ = [
    '../_base_/datasets/ade20k.py',
    '../_base_/models/segformer.py',
    '../_base_/schedules/ade20k_160k.py',
]
sample_settings = '_base_/sample/any_segmentor.py'

pretrained = 'convnext_tiny_1k_224'
model = dict(
    backbone=dict(
        type='convnext_dense.ConvNeXt',
        arch='tiny',
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.4,
        layer_scale_init_value=1.0,
    ),
    decode_head=dict(in_channels=[96, 192, 384, 768]),
)
optim_wrapper = dict(
    type='AmpOptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    paramwise_cfg=dict(decay_rate=0.9, scheme='stage_wise'),
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),  # lr at total_batch_size
)
