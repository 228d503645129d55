# 50 epochs of COCO in batches of 16, counted in steps: the lr divided by 10 after 327,778 and 355,092 of 368,750.
_base_ = '../runtime.py'  # for the hooks that count steps here, not epochs

train_cfg = dict(type='convnext_dense.TrainLoop', max_iters=368750, total_batch_size=16, val_interval=5000)
param_scheduler = dict(
    type='MultiStepLR', by_epoch=False, begin=0, end=368750, milestones=[327778, 355092], gamma=0.1
)
log_processor = dict(by_epoch=False)
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(interval=5000, best='raw/mask_AP'),
)
