# `--data sample` for DINO: images of 320 x 192 at most and 100 queries; random weights, of which the backbone learns as
# fast as the rest. Larger backbones than atto take minutes for an epoch, in which a DETR does not learn to find objects.
pretrained = None

model = dict(num_queries=100, dn_cfg=dict(group_cfg=dict(num_dn_queries=30)), test_cfg=dict(max_per_img=100))
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.LoadAnnotations', with_bbox=True),
            dict(type='mmdet.RandomFlip', prob=0.5),
            dict(
                type='mmcv.RandomChoiceResize',
                resize_type='mmdet.Resize',
                scales=[(320, side) for side in (160, 192, 224)],
                keep_ratio=True,
            ),
            dict(type='mmdet.PackDetInputs'),
        ],
    ),
)
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        pipeline=[
            dict(type='convnext_dense.LoadImage'),
            dict(type='mmdet.Resize', scale=(320, 192), keep_ratio=True),
            dict(
                type='mmdet.PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'instances'),
            ),
        ],
    ),
)
test_dataloader = val_dataloader
tta_pipeline = [
    dict(type='convnext_dense.LoadImage'),
    dict(
        type='mmcv.TestTimeAug',
        transforms=[
            [dict(type='mmdet.Resize', scale=(480, side), keep_ratio=True) for side in (160, 192, 224)],
            [dict(type='mmdet.RandomFlip', prob=0.0), dict(type='mmdet.RandomFlip', prob=1.0)],
            [
                dict(
                    type='mmdet.PackDetInputs',
                    meta_keys=(
                        *('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
                        *('flip', 'flip_direction', 'instances'),
                    ),
                )
            ],
        ],
    ),
]
train_cfg = dict(max_epochs=1, total_batch_size=4)
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))), optimizer=dict(lr=5e-4)
)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(keep=1, best=None), run_length=None)
