# Mask2Former with ConvNeXt-L on COCO's panoptic annotations, from ImageNet-22k weights. There is no published result;
# as in mmdet's mask2former_swin-l-p4-w12-384-in21k_16xb1-lsj-100e_coco-panoptic.py, the run is twice as long as that
# of the other sizes, and there are 200 queries.
_base_ = './mask2former_convnext_t_coco.py'

pretrained = 'convnext_large_22k_224'
model = dict(
    backbone=dict(arch='large'),
    panoptic_head=dict(in_channels=[192, 384, 768, 1536], num_queries=200),
)
train_dataloader = dict(batch_size=1)
train_cfg = dict(max_epochs=100)
param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=100,
        milestones=[100 * 8 / 9, 100 * 26 / 27],
        gamma=0.1,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
