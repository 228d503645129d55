# Cascade Mask R-CNN with ConvNeXt-T on COCO, 3x schedule: box AP 50.4, mask AP 43.7, 86M parameters, 741 GFLOPs (MACs)
# at 1280 x 800 (published). It starts from the official raw weights on ImageNet-1k.
#   torchrun --nproc_per_node=8 tools/train.py configs/det/cascade_convnext_t_coco.py --launcher pytorch
#   python tools/train.py configs/det/cascade_convnext_t_coco.py --data sample    # minutes on a laptop
_base_ = ['../_base_/coco.py', '../_base_/cascade_mask_rcnn.py']

pretrained = 'convnext_tiny_1k_224'
model = dict(
    backbone=dict(
        type='convnext_dense.ConvNeXt',
        arch='tiny',
        out_indices=(0, 1, 2, 3),
        drop_path_rate=0.4,
        layer_scale_init_value=1.0,
    ),
    neck=dict(in_channels=[96, 192, 384, 768]),
)
sample = dict(
    model=dict(
        train_cfg=dict(rcnn={stage: dict(sampler=dict(num=16)) for stage in '012'}),
        test_cfg=dict(rpn=dict(max_per_img=30), rcnn=dict(max_per_img=10)),
    ),
    train_dataloader=dict(batch_size=2, dataset=dict(indices=80)),
    val_dataloader=dict(dataset=dict(indices=40)),
    test_dataloader=dict(dataset=dict(indices=40)),
    train_cfg=dict(max_epochs=1, total_batch_size=2),
)
optim_wrapper = dict(
    type='AmpOptimWrapper',
    constructor='convnext_dense.LayerDecayConstructor',
    paramwise_cfg=dict(decay_rate=0.7, scheme='layer_wise'),
    optimizer=dict(type='AdamW', lr=2e-4, betas=(0.9, 0.999), weight_decay=0.05),  # lr at total_batch_size
)
