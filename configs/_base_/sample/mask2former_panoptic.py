# `--data sample` for panoptic segmentation with queries: 1024 points of each mask, and a part of the images, so
# that it ends within minutes on two cores.
_base_ = './any_panoptic.py'

model = dict(
    data_preprocessor=dict(
        batch_augments=[
            dict(
                type='mmdet.BatchFixedSizePad',
                size=(192, 320),
                img_pad_value=0,
                pad_mask=True,
                mask_pad_value=0,
                pad_seg=True,
                seg_pad_value=255,
            )
        ],
    ),
    panoptic_head=dict(num_queries=20),
    train_cfg=dict(num_points=1024),
    test_cfg=dict(max_per_image=20),
)
train_dataloader = dict(dataset=dict(indices=160))
val_dataloader = dict(dataset=dict(indices=40))
test_dataloader = val_dataloader
optim_wrapper = dict(
    optimizer=dict(lr=3e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0))),  # it starts from random weights, too
)
