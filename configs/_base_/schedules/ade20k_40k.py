# 40k steps of 16 crops: a cosine to 0 over the whole run, times a linear warm-up of 1500 steps. (In mmengine `end` of
# the warm-up is one more.)
_base_ = '../runtime.py'  # for the hooks that count steps here, not epochs

train_cfg = dict(type='convnext_dense.TrainLoop', max_iters=40000, total_batch_size=16, val_interval=5000)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1501),
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=0, end=40000),
]
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(interval=5000, best='raw/mIoU'),
)
