# 160k steps of 16 crops: linear decay to 0, times a linear warm-up of 1500 steps. As in mmcv, the decay runs from the
# first step on, and the warm-up reaches it at step 1500. (In mmengine `end` is one more.)
_base_ = '../runtime.py'  # for the hooks that count steps here, not epochs

train_cfg = dict(type='convnext_dense.TrainLoop', max_iters=160000, total_batch_size=16, val_interval=16000)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1501),
    dict(type='PolyLR', power=1.0, eta_min=0.0, by_epoch=False, begin=0, end=160001),
]
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(interval=16000, best='raw/mIoU'),
)
