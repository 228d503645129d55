# Cascade R-CNN with ConvNeXt-S on COCO, for boxes alone. There is no published result; the recipe is that of
# cascade_convnext_s_coco.py.
_base_ = './cascade_rcnn_convnext_t_coco.py'

pretrained = 'convnext_small_1k_224'
model = dict(
    backbone=dict(arch='small', drop_path_rate=0.6),
)
