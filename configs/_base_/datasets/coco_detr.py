# COCO as in coco.py, with the crops of DETR's own recipe, before which the longer side may have any length, and
# without masks. The views of `--tta` go through an NMS of a higher IoU, since each view alone takes none.
_base_ = './coco.py'

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.LoadAnnotations', with_bbox=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(
                type='mmcv.RandomChoice',
                transforms=[
                    [
                        dict(
                            type='mmcv.RandomChoiceResize',
                            resize_type='mmdet.Resize',
                            scales=[(side, 1333) for side in range(480, 801, 32)],
                            keep_ratio=True,
                        )
                    ],
                    [
                        dict(
                            type='mmcv.RandomChoiceResize',
                            resize_type='mmdet.Resize',
                            scales=[(400, 4200), (500, 4200), (600, 4200)],
                            keep_ratio=True,
                        ),
                        dict(
                            type='mmdet.RandomCrop',
                            crop_type='absolute_range',
                            crop_size=(384, 600),
                            allow_negative_crop=True,
                        ),
                        dict(
                            type='mmcv.RandomChoiceResize',
                            resize_type='mmdet.Resize',
                            scales=[(side, 1333) for side in range(480, 801, 32)],
                            keep_ratio=True,
                        ),
                    ],
                ],
            ),
            dict(type='mmdet.PackDetInputs'),
        ]
    )
)
tta_model = dict(nms=dict(iou_threshold=0.7), max_per_img=300)
