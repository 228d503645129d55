# Mask2Former for instance segmentation: the head of mask2former.py with things alone.
_base_ = './mask2former.py'

model = dict(
    data_preprocessor=dict(
        pad_seg=False,
        batch_augments=[
            dict(
                type='mmdet.BatchFixedSizePad',
                size=(1024, 1024),
                img_pad_value=0,
                pad_mask=True,
                mask_pad_value=0,
                pad_seg=False,
            )
        ],
    ),
    panoptic_head=dict(num_things_classes=80, num_stuff_classes=0, loss_cls=dict(class_weight=[1.0] * 80 + [0.1])),
    panoptic_fusion_head=dict(num_things_classes=80, num_stuff_classes=0),
    test_cfg=dict(panoptic_on=False),
)
