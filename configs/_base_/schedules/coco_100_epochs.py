# 100 epochs of batches of 128: a warm-up of 1000 steps, the full lr for half of the run, then a cosine; and an average
# of the weights. Validation every 10 epochs, and after each of the last 10.
_base_ = '../runtime.py'  # for the hook that keeps the best checkpoint

train_cfg = dict(
    type='convnext_dense.TrainLoop',
    max_epochs=100,
    total_batch_size=128,
    val_interval=10,
    dynamic_intervals=[(90, 1)],
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-5, by_epoch=False, begin=0, end=1000),
    dict(type='CosineAnnealingLR', eta_min=5e-5, begin=50, end=100, by_epoch=True, convert_to_iter_based=True),
]
default_hooks = dict(
    ema=dict(type='convnext_dense.EMA', momentum=2e-4, gamma=2000),
    checkpoint=dict(best='ema/box_AP'),
)
