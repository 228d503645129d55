"""The error for an image that no anchor fits into."""

from types import SimpleNamespace

import pytest

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


def test_the_advice_names_the_setting_of_both_kinds_of_detectors():
    batch = {'paths': ['a.jpg'], 'data_samples': [SimpleNamespace(img_shape=(8, 640))]}
    settings = r'model.train_cfg.rpn.allowed_border=-1 \(model.train_cfg.allowed_border for'
    with pytest.raises(UserError, match=settings), explain_thin_images(batch):
        raise ValueError('There is no valid anchor inside the image boundary. Please check')
