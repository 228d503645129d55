# ConvNeXt-T on ImageNet-1k from scratch: 28.6M parameters, 4.5 GFLOPs (MACs), top-1 82.1 (published).
#   torchrun --nproc_per_node=8 tools/train.py configs/classification/convnext_t.py --launcher pytorch
#   python tools/train.py configs/classification/convnext_t.py --data sample    # minutes on a laptop
_base_ = [
    '../_base_/datasets/imagenet.py',
    '../_base_/models/image_classifier.py',
    '../_base_/schedules/imagenet_300_epochs.py',
]
sample_settings = '_base_/sample/classification.py'

model = dict(
    backbone=dict(
        type='convnext_dense.ConvNeXt',
        arch='tiny',
        out_indices=None,
        drop_path_rate=0.1,
        layer_scale_init_value=1e-6,
    ),
    label_smoothing=0.1,
    mixup=dict(mixup_alpha=0.8, cutmix_alpha=1.0, prob=1.0, switch_prob=0.5, mode='batch'),
)
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    optimizer=dict(type='AdamW', lr=4e-3, betas=(0.9, 0.999), weight_decay=0.05, fused=True),  # lr at total_batch_size
)
default_hooks = dict(ema=dict(type='convnext_dense.EMA', momentum=1e-4))  # decay 0.9999
