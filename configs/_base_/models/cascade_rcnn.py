# Cascade R-CNN, for boxes alone: Cascade Mask R-CNN without its mask head.
_base_ = './cascade_mask_rcnn.py'

model = dict(
    data_preprocessor=dict(pad_mask=False),
    roi_head=dict(mask_roi_extractor=None, mask_head=None),
)
