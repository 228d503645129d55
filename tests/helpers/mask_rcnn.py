"""A config of a small Mask R-CNN."""

from pathlib import Path

from tests.helpers.small_models import ARCH, ROOT

# of two levels, since each makes the graph longer
MASK_RCNN = f"""
_base_ = '{ROOT / 'configs/det/mask_rcnn_convnext_t_coco.py'}'
model = dict(
    {ARCH.replace('dict(arch', 'dict(out_indices=(2, 3), arch')},
    neck=dict(in_channels=[24, 32], out_channels=16, num_outs=2),
    rpn_head=dict(in_channels=16, feat_channels=16, anchor_generator=dict(strides=[16, 32])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=16, featmap_strides=[16, 32]),
        bbox_head=dict(in_channels=16, fc_out_channels=32),
        mask_roi_extractor=dict(out_channels=16, featmap_strides=[16, 32]),
        mask_head=dict(in_channels=16, conv_out_channels=16),
    ),
)
"""


def write_mask_rcnn(folder: Path) -> Path:
    path = folder / 'mask_rcnn.py'
    path.write_text(MASK_RCNN)
    return path
