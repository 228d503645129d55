# ConvNeXt V2-A (atto), FCMAE pre-trained, fine-tuned on ImageNet-1k. Top-1 76.7 (published).
# Recipe: the V2 repository's TRAINING page; lr = 2e-4 x 1024 / 256.
_base_ = './convnext_t.py'

pretrained = 'convnextv2_atto_1k_224_fcmae'
model = dict(
    backbone=dict(arch='atto', version=2, drop_path_rate=0.1), head_init_scale=0.001, label_smoothing=0.2, mixup=None
)
train_cfg = dict(max_epochs=600, total_batch_size=1024)
optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(lr=8e-4, weight_decay=0.3),
    paramwise_cfg=dict(decay_rate=0.9, scheme='single'),
)
param_scheduler = [
    dict(type='CosineAnnealingLR', begin=0, end=600, eta_min_ratio=1.25e-3, convert_to_iter_based=True),  # to 1e-6
]
