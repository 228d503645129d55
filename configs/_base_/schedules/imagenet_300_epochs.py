# 300 epochs of batches of 4096: a linear warm-up of 20 epochs, then a cosine down to 1e-6.
_base_ = '../runtime.py'

train_cfg = dict(type='convnext_dense.TrainLoop', max_epochs=300, total_batch_size=4096)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=20, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=20, end=300, eta_min_ratio=2.5e-4, convert_to_iter_based=True),
]
