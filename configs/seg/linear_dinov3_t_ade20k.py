# A linear head on the frozen features of DINOv3's ConvNeXt-T, on ADE20K at 512 pixels: mIoU 42.7 (published, arXiv
# 2508.10104). The backbone runs without gradients: only norm3 and the head train.
#   torchrun --nproc_per_node=8 tools/train.py configs/seg/linear_dinov3_t_ade20k.py --launcher pytorch
#   python tools/train.py configs/seg/linear_dinov3_t_ade20k.py --data sample    # trains the backbone, too
#
# All values are those of github.com/facebookresearch/dinov3, eval/segmentation: head, lr, weight decay, steps, batch,
# crops and windows of configs/config-ade20k-linear-training.yaml, the augmentation of transforms.py (that of UPerNet),
# the warm-up and cosine of schedulers.py. Different here: images are at most 2048 pixels wide, as for UPerNet; the
# warm-up multiplies the cosine, there a line, which differs by 4% at most; norm3 trains, though batch normalization
# undoes most of what it learns.
_base_ = [
    '../_base_/datasets/ade20k.py',
    '../_base_/models/linear.py',
    '../_base_/schedules/ade20k_40k.py',
]
sample_settings = '_base_/sample/linear.py'

pretrained = 'dinov3_tiny'
model = dict(
    backbone=dict(
        type='convnext_dense.ConvNeXt',
        arch='tiny',
        out_indices=(3,),
        layer_scale_init_value=1.0,
        frozen_stages=4,
    ),
    decode_head=dict(in_channels=768),
)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    paramwise_cfg=dict(norm_decay_mult=1.0, bias_decay_mult=1.0),
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=1e-3),  # lr at total_batch_size
)
