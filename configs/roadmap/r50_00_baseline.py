# The roadmap's start: ResNet-50 by its old recipe, 90 epochs of SGD on crops and flips; weight decay is on all
# weights, those of norms and biases too, as it was then. Top-1 76.13 (published).
_base_ = './r50_01_modern_recipe.py'
sample_settings = '_base_/sample/roadmap_baseline.py'

model = dict(backbone=dict(step='baseline', drop_path_rate=0.0), label_smoothing=0.0, mixup=None)
train_dataloader = dict(dataset=dict(transform=dict(auto_augment=None, color_jitter=None, re_prob=0.0)))
train_cfg = dict(max_epochs=90, total_batch_size=256)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4),  # lr at total_batch_size
    paramwise_cfg=dict(norm_decay_mult=1.0, bias_decay_mult=1.0),
)
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=90, milestones=[30, 60], gamma=0.1, convert_to_iter_based=True)
]
