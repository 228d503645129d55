# Cascade Mask R-CNN with ConvNeXt-S on COCO, from ImageNet-1k weights:
# box AP 51.9, mask AP 45.0, 108M parameters, 827 GFLOPs (MACs) (published).
_base_ = './cascade_convnext_t_coco.py'

pretrained = 'convnext_small_1k_224'
model = dict(
    backbone=dict(arch='small', drop_path_rate=0.6),
)
optim_wrapper = dict(
    paramwise_cfg=dict(decay_rate=0.7),
    optimizer=dict(lr=2e-4),
)
