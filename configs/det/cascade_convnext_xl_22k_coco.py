# Cascade Mask R-CNN with ConvNeXt-XL on COCO, from ImageNet-22k weights:
# box AP 55.2, mask AP 47.7, 407M parameters, 1898 GFLOPs (MACs) (published).
_base_ = './cascade_convnext_t_coco.py'

pretrained = 'convnext_xlarge_22k_224'
model = dict(
    backbone=dict(arch='xlarge', drop_path_rate=0.8),
    neck=dict(in_channels=[256, 512, 1024, 2048]),
)
optim_wrapper = dict(
    type='OptimWrapper',  # float32
    paramwise_cfg=dict(decay_rate=0.7),
    optimizer=dict(lr=1e-4),
)
