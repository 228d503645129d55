"""What is drawn of a reconstruction."""

import numpy as np
import torch
from PIL import Image

from convnext_dense.results import Reconstruction

MEAN, STD = np.array([120.0, 110.0, 100.0]), np.array([60.0, 50.0, 40.0])


def prediction() -> dict:
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (2, 64, 96, 3)).astype(np.float32)
    target, painted = (torch.from_numpy(((one - MEAN) / STD).transpose(2, 0, 1)).float() for one in levels)
    mask = torch.tensor([[True, False, True], [False, True, True]])
    return {'target': target, 'reconstruction': painted, 'mask': mask, 'loss': 0.75, 'path': 'a.jpg'}, levels


def test_images_are_in_levels_and_composed_by_patches():
    content, (original, painted) = prediction()
    result = Reconstruction.from_prediction(content, MEAN, STD)
    assert np.array_equal(result.original, original)
    assert np.array_equal(result.painted, painted)
    for row in range(2):
        for column in range(3):
            patch = np.s_[32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
            hidden = bool(content['mask'][row, column])
            assert np.array_equal(result.composed[patch], (painted if hidden else original)[patch])
            gray = np.full((32, 32, 3), 127)
            assert np.array_equal(result.masked[patch], gray if hidden else original[patch])
    assert result.as_json() == {'path': 'a.jpg', 'loss': 0.75, 'hidden': 4 / 6}


def test_values_out_of_range_and_nan_can_be_drawn():
    content, _ = prediction()
    content['reconstruction'][0] = 1e9
    content['reconstruction'][1] = -1e9
    content['reconstruction'][2] = torch.nan
    painted = Reconstruction.from_prediction(content, MEAN, STD).painted
    assert painted[0, 0].tolist() == [255, 0, 0]


def test_four_images_are_side_by_side_and_in_a_file(tmp_path):
    content, (original, painted) = prediction()
    drawn = Reconstruction.from_prediction(content, MEAN, STD).draw(tmp_path / 'drawn.png')
    assert np.array_equal(np.asarray(Image.open(tmp_path / 'drawn.png')), drawn)
    height, width = 64 * 3, 96 * 3  # enlarged to at least 224 pixels
    below_title = drawn[-height:]
    gap = (drawn.shape[1] - 4 * width) // 3
    panels = [below_title[:, i * (width + gap) :][:, :width] for i in range(4)]
    assert np.array_equal(panels[0][::3, ::3], original)
    assert np.array_equal(panels[2][::3, ::3], painted)
    assert np.array_equal(panels[3][:96, 96:192][::3, ::3], original[:32, 32:64])


def test_bands_are_shown_by_the_percentiles_of_the_input():
    """Whatever they are normalized with: the painted image has the same black and white as the original."""
    rng = np.random.default_rng(0)
    target = torch.from_numpy(rng.normal(size=(5, 64, 64)).astype(np.float32))
    prediction = {
        'target': target,
        'reconstruction': target * 0.5,
        'mask': torch.tensor([[True, False], [False, True]]),
        'loss': 0.7,
    }
    result = Reconstruction.of_bands(prediction, (4, 0, 2))
    for channel, band in enumerate((4, 0, 2)):
        values = target[band].numpy().astype(float)
        low, high = np.percentile(values, [2, 98])
        for drawn, stored in ((result.original, values), (result.painted, values * 0.5)):
            expected = ((stored - low) / (high - low) * 255).round().clip(0, 255)
            np.testing.assert_allclose(drawn[..., channel], expected, atol=1)
    moved = {**prediction, 'target': target * 40 + 900, 'reconstruction': target * 20 + 900}
    assert np.abs(Reconstruction.of_bands(moved, (4, 0, 2)).painted.astype(int) - result.painted).max() <= 1
