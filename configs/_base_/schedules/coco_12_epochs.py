# The schedule of DETRs: 12 epochs of batches of 16, the lr divided by 10 after 11 epochs, without a warm-up.
_base_ = '../runtime.py'  # for the hook that keeps the best checkpoint

train_cfg = dict(type='convnext_dense.TrainLoop', max_epochs=12, total_batch_size=16)
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=12, milestones=[11], gamma=0.1, by_epoch=True, convert_to_iter_based=True),
]
default_hooks = dict(checkpoint=dict(best='raw/box_AP'))
