# Cascade Mask R-CNN with ConvNeXt-L on COCO, from ImageNet-22k weights:
# box AP 54.8, mask AP 47.6, 255M parameters, 1354 GFLOPs (MACs) (published).
_base_ = './cascade_convnext_t_coco.py'

pretrained = 'convnext_large_22k_224'
model = dict(
    backbone=dict(arch='large', drop_path_rate=0.7),
    neck=dict(in_channels=[192, 384, 768, 1536]),
)
optim_wrapper = dict(
    type='OptimWrapper',  # float32
    paramwise_cfg=dict(decay_rate=0.7),
    optimizer=dict(lr=1e-4),
)
