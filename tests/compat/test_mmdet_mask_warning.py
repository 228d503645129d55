"""mmdet's warning about copied masks, which nobody needs."""

import warnings

import torch

from convnext_dense.compat.mmdet_mask_warning import MESSAGE, silence_mask_warning
from convnext_dense.compat.mmseg_loss_advice import without_loss_advice
from convnext_dense.models.detector import RoIExtractor


def paste_masks() -> list[str]:
    """Paste masks as a cascade does, and return the warnings."""
    from mmdet.models.roi_heads.mask_heads import FCNMaskHead
    from mmengine.config import ConfigDict

    loss = dict(type='mmdet.CrossEntropyLoss', use_mask=True)
    head = FCNMaskHead(loss_mask=loss, num_convs=0, num_classes=2, in_channels=4, conv_out_channels=4)
    boxes = torch.tensor([[1.0, 1, 9, 9]])
    meta = dict(img_shape=(10, 10), ori_shape=(10, 10), scale_factor=(1.0, 1.0))
    arguments = (torch.rand(1, 2, 4, 4), boxes, torch.tensor([1]), meta, ConfigDict(mask_thr_binary=0.5))
    with warnings.catch_warnings(record=True) as seen:
        head._predict_by_feat_single(*arguments, rescale=True, activate_map=True)
        warnings.warn_explicit(MESSAGE, UserWarning, 'mine.py', 1, module='mine')
    return [str(warning.message)[: len(MESSAGE)] for warning in seen]


def test_mmdet_still_warns_and_is_silenced_alone():
    with warnings.catch_warnings():
        warnings.simplefilter('always')
        assert paste_masks() == [MESSAGE] * 2, 'mmdet does not warn any more: remove mmdet_mask_warning.py'
        silence_mask_warning()
        assert paste_masks() == [MESSAGE]  # of another module


def test_a_detector_of_ours_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter('always')
        layer = dict(type='RoIAlign', output_size=3, sampling_ratio=0)
        with without_loss_advice():  # as models are built
            extractor = RoIExtractor(roi_layer=layer, out_channels=4, featmap_strides=[4])
        extractor([torch.rand(1, 4, 8, 8)], torch.tensor([[0.0, 1, 1, 9, 9]]))
        assert paste_masks() == [MESSAGE]
