# ConvNeXt V2-B, FCMAE pre-trained, fine-tuned on ImageNet-1k. Top-1 84.9 (published).
# Recipe: the V2 repository's TRAINING page; lr = 6.25e-4 x 1024 / 256.
_base_ = './convnextv2_t.py'

pretrained = 'convnextv2_base_1k_224_fcmae'
model = dict(backbone=dict(arch='base', drop_path_rate=0.1))
train_cfg = dict(max_epochs=100)
optim_wrapper = dict(
    optimizer=dict(lr=2.5e-3),
    paramwise_cfg=dict(decay_rate=0.6, scheme='layer_wise'),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, begin=0, end=20, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', begin=20, end=100, eta_min_ratio=4e-4, convert_to_iter_based=True),  # to 1e-6
]
