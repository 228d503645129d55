# 50 epochs of batches of 16, the lr divided by 10 after 8/9 and 26/27 of the run, as in the 368,750 steps of
# Mask2Former.
_base_ = '../runtime.py'  # for the hook that keeps the best checkpoint

train_cfg = dict(type='convnext_dense.TrainLoop', max_epochs=50, total_batch_size=16)
param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=50,
        milestones=[50 * 8 / 9, 50 * 26 / 27],
        gamma=0.1,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
default_hooks = dict(checkpoint=dict(best='raw/mask_AP'))
