# ConvNeXt V2-T, FCMAE pre-trained, fine-tuned on ImageNet-1k. Top-1 83.0 (published).
# Recipe: the V2 repository's TRAINING page; lr = 8e-4 x 1024 / 256.
_base_ = './convnext_t.py'

pretrained = 'convnextv2_tiny_1k_224_fcmae'
model = dict(backbone=dict(version=2, drop_path_rate=0.2), head_init_scale=0.001)
train_cfg = dict(total_batch_size=1024)
optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(lr=3.2e-3),
    paramwise_cfg=dict(decay_rate=0.9, scheme='single'),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=40, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=40, end=300, eta_min_ratio=3.125e-4, convert_to_iter_based=True),  # to 1e-6
]
