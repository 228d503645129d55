# COCO as in coco.py, with crops of 1024 pixels of images at 0.1 to 2 times that size (large-scale jitter).
_base_ = './coco.py'

train_dataloader = dict(
    batch_sampler=None,  # all crops have one size
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(
                type='mmcv.RandomResize',
                scale=(1024, 1024),
                ratio_range=(0.1, 2.0),
                keep_ratio=True,
                resize_type='mmdet.Resize',
            ),
            dict(
                type='mmdet.RandomCrop',
                crop_type='absolute',
                crop_size=(1024, 1024),
                recompute_bbox=True,
                allow_negative_crop=True,
            ),
            # no object of which the crop leaves nothing
            dict(type='mmdet.FilterAnnotations', min_gt_bbox_wh=(1e-5, 1e-5), by_mask=True),
            dict(type='mmdet.PackDetInputs'),
        ],
    ),
)
