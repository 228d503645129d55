# Faster R-CNN for CPUs and edge devices, for boxes alone: 64 channels from the FPN on.
_base_ = './mask_rcnn.py'

model = dict(
    type='mmdet.FasterRCNN',
    data_preprocessor=dict(pad_mask=False),
    neck=dict(out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=64),
        bbox_head=dict(in_channels=64, fc_out_channels=256),
        mask_roi_extractor=None,
        mask_head=None,
    ),
)
