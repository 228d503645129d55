# Cascade Mask R-CNN with ConvNeXt V2-T on COCO, from FCMAE weights. Neither the repository nor the paper prints a
# result or a recipe for it: this is V1's.
_base_ = './cascade_convnext_t_coco.py'

pretrained = 'convnextv2_tiny_1k_224_fcmae'
model = dict(
    backbone=dict(arch='tiny', version=2, drop_path_rate=0.4),
)
