# `--data sample` for Cascade Mask R-CNN with light heads: stages that train on 32 regions of an image.
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
                    type='mmdet.RandomSampler', num=32, pos_fraction=0.25, neg_pos_ub=-1, add_gt_as_proposals=True
                ),
                mask_size=28,
                pos_weight=-1,
                debug=False,
            )
            for iou in (0.5, 0.6, 0.7)
        ]
    )
)
