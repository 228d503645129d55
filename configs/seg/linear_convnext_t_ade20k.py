# A linear head on the frozen features of ConvNeXt-T trained on ImageNet-1k, on ADE20K at 512 pixels: what the official
# weights hold, beside those of DINOv3. There is no published result; the recipe is that of linear_dinov3_t_ade20k.py,
# whose values are those of DINOv3's linear evaluation. The backbone runs without gradients: only norm3, which stands
# behind the pooling in pre-training, and the head train.
#   torchrun --nproc_per_node=8 tools/train.py configs/seg/linear_convnext_t_ade20k.py --launcher pytorch
#   python tools/train.py configs/seg/linear_convnext_t_ade20k.py --data sample    # trains the backbone, too
_base_ = [
    '../_base_/datasets/ade20k.py',
    '../_base_/models/linear.py',
    '../_base_/schedules/ade20k_40k.py',
]
sample_settings = '_base_/sample/linear.py'

pretrained = 'convnext_tiny_1k_224'
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
