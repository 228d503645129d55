# Cascade R-CNN for CPUs and edge devices, for boxes alone: light Cascade Mask R-CNN without its mask head.
_base_ = './light_cascade_mask_rcnn.py'

model = dict(
    data_preprocessor=dict(pad_mask=False),
    roi_head=dict(mask_roi_extractor=None, mask_head=None),
)
