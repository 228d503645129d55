# 160k steps of 16 crops: a decay to 0 with the power 0.9, from the first step on.
_base_ = '../runtime.py'  # for the hooks that count steps here, not epochs

train_cfg = dict(type='convnext_dense.TrainLoop', max_iters=160000, total_batch_size=16, val_interval=5000)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=160000)]
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(interval=5000, best='raw/mIoU'),
)
