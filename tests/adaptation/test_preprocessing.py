"""Images are normalized as the ImageNet weights of ConvNeXt want it."""

import pytest

from convnext_dense.adaptation.notes import Notes
from convnext_dense.adaptation.preprocessing import MEAN, STD, use_imagenet_levels


@pytest.mark.parametrize(
    'source, said',
    [
        (dict(mean=MEAN, std=STD, bgr_to_rgb=True), None),
        (dict(mean=(123.675, 116.28, 103.53), std=STD, bgr_to_rgb=True), None),
        (
            dict(mean=[103.53, 116.28, 123.675], std=[1.0] * 3, bgr_to_rgb=False),
            'mean [103.53, 116.28, 123.675] and std [1.0, 1.0, 1.0] of BGR',
        ),
        ({}, 'levels of 0 to 255 of BGR'),
        (
            dict(mean=[0, 0, 0], std=[255.0] * 3, bgr_to_rgb=True),
            'mean [0, 0, 0] and std [255.0, 255.0, 255.0] of RGB',
        ),
    ],
)
def test_mean_std_and_order_are_imagenets_and_the_rest_stays(source, said):
    notes = Notes()
    model = dict(data_preprocessor=dict(source, type='X', pad_mask=True, pad_size_divisor=32, batch_augments=[1]))
    use_imagenet_levels(model, notes)
    part = model['data_preprocessor']
    assert (list(part['mean']), part['std'], part['bgr_to_rgb']) == (MEAN, STD, True)
    assert (part['pad_mask'], part['pad_size_divisor'], part['batch_augments']) == (True, 32, [1])
    expected = [] if said is None else [f'data_preprocessor: RGB with mean and std of ImageNet, in the source {said}']
    assert notes.changed == expected
