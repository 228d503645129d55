"""The error for an image that no anchor fits into."""

from types import SimpleNamespace

import pytest
import torch
from mmdet.models.task_modules.prior_generators import AnchorGenerator, anchor_inside_flags

from convnext_dense.data.detection.thin_images import LEAST_SIDE
from convnext_dense.engine.thin_images import explain_thin_images
from convnext_dense.errors import UserError


def test_the_thinnest_image_of_the_batch_is_named():
    samples = [SimpleNamespace(img_shape=shape) for shape in ((300, 400), (1333, 4), (600, 20))]
    batch = {'paths': ['a.jpg', 'b.jpg', 'c.jpg'], 'data_samples': samples}
    with (
        pytest.raises(UserError, match=r'bad image b.jpg: resized to 1333 x 4, height x width'),
        explain_thin_images(batch),
    ):
        raise ValueError('There is no valid anchor inside the image boundary. Please check')
    with pytest.raises(ValueError, match='another'), explain_thin_images(batch):
        raise ValueError('another error')


@pytest.mark.parametrize(('side', 'fits'), [(LEAST_SIDE, True), (LEAST_SIDE - 1, False)])
def test_the_least_side_is_that_of_the_smallest_anchor(side, fits):
    """The anchors of the recipes, as mmdet chooses those inside an image."""
    anchors = AnchorGenerator(strides=[4, 8, 16, 32, 64], ratios=[0.5, 1.0, 2.0], scales=[8])
    sizes = [(1333 // s, -(-side // s)) for s in (4, 8, 16, 32, 64)]
    flat = torch.cat(anchors.grid_priors(sizes, device='cpu'))
    valid = torch.ones(len(flat), dtype=torch.bool)
    assert bool(anchor_inside_flags(flat, valid, (1333, side), 0).any()) == fits
