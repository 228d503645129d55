# 1600 epochs of batches of 4096: a linear warm-up of 40 epochs, then a cosine down to 0.
_base_ = '../runtime.py'

train_cfg = dict(type='convnext_dense.TrainLoop', max_epochs=1600, total_batch_size=4096)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=40, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=40, end=1600, eta_min=0.0, convert_to_iter_based=True),
]
default_hooks = dict(checkpoint=dict(best='raw/reconstruction_loss'))
