"""mmdet's masks of boxes outside of the image, which fail to be pasted on a CPU."""

import pytest
import torch
from mmdet.models.roi_heads.mask_heads import fcn_mask_head

import convnext_dense.models.detector  # noqa: F401 - makes the change

OUTSIDE = [[30.0, 2.0, 40.0, 9.0], [2.0, 25.0, 9.0, 30.0], [-20.0, 2.0, -9.0, 9.0], [2.0, -20.0, 9.0, -9.0]]


def pasted(box: list[float], function=None) -> torch.Tensor:
    """Return the image (16, 20) with the mask of a box, as ``FCNMaskHead`` makes it on a CPU."""
    masks = torch.linspace(0, 1, 16).view(1, 1, 4, 4)
    part, place = (function or fcn_mask_head._do_paste_mask)(masks, torch.tensor([box]), 16, 20, skip_empty=True)
    image = torch.zeros(1, 16, 20)
    image[(slice(0, 1), *place)] = part
    return image


@pytest.mark.parametrize('box', OUTSIDE)
def test_a_mask_outside_of_the_image_has_no_pixel_and_fails_in_mmdet(box):
    assert not pasted(box).any()
    with pytest.raises(RuntimeError):  # otherwise remove mmdet_masks_outside.py
        pasted(box, fcn_mask_head._do_paste_mask.__wrapped__)


@pytest.mark.parametrize('box', [[3.0, 2.0, 15.0, 12.0], [-4.0, -3.0, 6.0, 5.0], [15.0, 9.0, 40.0, 30.0]])
def test_masks_in_the_image_are_pasted_as_before(box):
    assert torch.equal(pasted(box), pasted(box, fcn_mask_head._do_paste_mask.__wrapped__))
    assert pasted(box).any()
