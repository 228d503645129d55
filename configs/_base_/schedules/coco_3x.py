# The 3x schedule: 36 epochs of batches of 16, a warm-up of 500 steps, the lr divided by 10 after 27 and 33 epochs.
_base_ = '../runtime.py'  # for the hook that keeps the best checkpoint

train_cfg = dict(type='convnext_dense.TrainLoop', max_epochs=36, total_batch_size=16)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=501),  # the full lr at step 500, as in mmcv
    dict(
        type='MultiStepLR', begin=0, end=36, milestones=[27, 33], gamma=0.1, by_epoch=True, convert_to_iter_based=True
    ),
]
default_hooks = dict(checkpoint=dict(best='raw/box_AP'))
