# `--data sample` for Cascade Mask R-CNN: stages that train on 16 regions of an image, and a part of the images, so
# that it ends within minutes on two cores.
_base_ = './detection.py'

model = dict(
    train_cfg=dict(
        rcnn=[
            dict(
                assigner=dict(
                    type='convnext_dense.MaxIoUAssigner',
                    pos_iou_thr=iou,
                    neg_iou_thr=iou,
                    min_pos_iou=iou,
                    match_low_quality=False,
                    ignore_iof_thr=-1,
                ),
                sampler=dict(
                    type='mmdet.RandomSampler', num=16, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True
                ),
                mask_size=28,
                pos_weight=-1,
                debug=False,
            )
            for iou in (0.5, 0.6, 0.7)
        ]
    ),
    test_cfg=dict(rpn=dict(max_per_img=30), rcnn=dict(max_per_img=10)),
)
train_dataloader = dict(batch_size=2, dataset=dict(indices=80))
val_dataloader = dict(dataset=dict(indices=40))
test_dataloader = val_dataloader
train_cfg = dict(total_batch_size=2)
