# COCO's panoptic annotations, or any data set in their format: crops of 1024 pixels of images at 0.1 to 2 times that
# size (large-scale jitter), as in mmdet's mask2former_r50_8xb2-lsj-50e_coco-panoptic.py. `--tta` is not for this task.
task = 'panoptic'
default_scope = 'mmdet'
custom_imports = dict(
    imports=['convnext_dense', 'convnext_dense.data.panoptic.dataset', 'convnext_dense.models.detector']
)

train_dataloader = dict(
    batch_size=2,  # of one process; total_batch_size is reached by accumulation
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='convnext_dense.SeededSampler', shuffle=True),
    collate_fn=dict(type='convnext_dense.collate_dense'),
    dataset=dict(
        type='convnext_dense.PanopticDataset',
        annotations='data/coco/annotations/panoptic_train2017.json',
        images='data/coco/train2017',
        segments='data/coco/annotations/panoptic_train2017',
        filter_cfg=dict(filter_empty_gt=True, min_size=32),
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='convnext_dense.LoadPanoptic'),
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
            dict(type='mmdet.PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='convnext_dense.SeededSampler', shuffle=False),
    collate_fn=dict(type='convnext_dense.collate_dense'),
    dataset=dict(
        type='convnext_dense.PanopticDataset',
        annotations='data/coco/annotations/panoptic_val2017.json',
        images='data/coco/val2017',
        segments='data/coco/annotations/panoptic_val2017',
        test_mode=True,
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.Resize', scale=(1333, 800), keep_ratio=True),
            dict(
                type='mmdet.PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'panoptic'),
            ),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='convnext_dense.PanopticQuality')
test_evaluator = val_evaluator
