# ConvNeXt-T pre-training on ImageNet-22k: 90 epochs, no EMA, no stochastic depth.
# There is no official validation split.
_base_ = './convnext_t.py'

model = dict(backbone=dict(drop_path_rate=0.0), num_classes=21841)
train_dataloader = dict(dataset=dict(root='data/imagenet22k'))
test_dataloader = dict(dataset=dict(root='data/imagenet22k'))
val_dataloader = None
val_evaluator = None
val_cfg = None
train_cfg = dict(max_epochs=90)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=5, end=90, eta_min_ratio=2.5e-4, convert_to_iter_based=True),  # to 1e-6
]
default_hooks = dict(ema=None, checkpoint=dict(best=None))
