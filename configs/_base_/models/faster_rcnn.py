# Faster R-CNN, for boxes alone: Mask R-CNN without its mask head.
_base_ = './mask_rcnn.py'

model = dict(
    type='mmdet.FasterRCNN',
    data_preprocessor=dict(pad_mask=False),
    roi_head=dict(mask_roi_extractor=None, mask_head=None),
)
