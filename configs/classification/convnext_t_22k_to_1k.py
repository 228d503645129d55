# ConvNeXt-T, pre-trained on ImageNet-22k, fine-tuned on ImageNet-1k: 30 epochs with lr decay from layer to layer,
# neither warm-up, Mixup, CutMix nor EMA. Top-1 82.9 (published).
_base_ = './convnext_t.py'

pretrained = (
    'convnext_tiny_22k_224'  # official weights; work_dirs/convnext_t_22k/epoch_90.pth for those of convnext_t_22k.py
)
model = dict(backbone=dict(drop_path_rate=0.0), head_init_scale=0.001, mixup=None)
train_cfg = dict(max_epochs=30, total_batch_size=512)
optim_wrapper = dict(
    optimizer=dict(lr=5e-5, weight_decay=1e-8),
    paramwise_cfg=dict(decay_rate=0.8, scheme='layer_wise'),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', begin=0, end=30, eta_min_ratio=0.02, convert_to_iter_based=True),  # to 1e-6
]
default_hooks = dict(ema=None)
