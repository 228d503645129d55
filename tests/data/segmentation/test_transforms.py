"""Crops, flips and colors of images with their labels."""

import numpy as np
from PIL import Image

import convnext_dense.data.segmentation.dataset
import convnext_dense.models.segmentor  # noqa: F401  (both register what the pipelines name)
from tests.helpers.mask_samples import COLOR, CROP, FLIP, RESIZE, arrays, colors_of, mask_folder


def test_image_and_labels_stay_together_through_crop_and_flip(root):
    data = mask_folder(root, CROP, FLIP)
    seen = set()
    for seed in range(40):
        image, classes = arrays(data[seed % 4, seed])
        assert np.array_equal(image, colors_of(classes))
        assert classes.shape == (24, 32)
        seen.add(classes.tobytes())
    assert len(seen) > 30


def test_image_and_labels_stay_together_through_a_whole_recipe(root):
    data = mask_folder(root, RESIZE, CROP, FLIP)
    shapes = set()
    for seed in range(40):
        image, classes = arrays(data[seed % 4, seed])
        difference = np.abs(image.astype(int) - colors_of(classes)).max(axis=2)
        assert (difference > 60).mean() < 0.25  # resizing mixes the colors along the edges, and edges only
        assert np.median(difference) == 0
        shapes.add(classes.shape)
    assert shapes == {(24, 32)}

    colorful = mask_folder(root, RESIZE, CROP, FLIP, COLOR)
    for seed in range(5):
        assert np.array_equal(arrays(colorful[0, seed])[1], arrays(data[0, seed])[1])


def test_crops_and_colors_are_mmsegs_for_the_same_seed(root):
    """Also where no crop has two classes, where the image is smaller than the crop, and for every color."""
    for crop_size in ((24, 32), (3, 2), (300, 10)):
        options = dict(crop_size=crop_size, cat_max_ratio=0.75)
        colorful = np.random.default_rng(0).integers(0, 256, (4, 90, 120, 3), dtype=np.uint8)
        for index, pixels in enumerate(colorful):
            with Image.open(root / 'images' / 'training' / f'{index:02d}.png') as image:
                Image.fromarray(pixels).resize(image.size).save(root / 'images' / 'training' / f'{index:02d}.png')
        pair = [
            mask_folder(root, dict(type=f'{scope}.RandomCrop', **options), dict(type=f'{scope}.PhotoMetricDistortion'))
            for scope in ('mmseg', 'convnext_dense')
        ]
        for seed in range(60):
            (pixels, labels), (ours, our_labels) = (arrays(data[seed % 4, seed]) for data in pair)
            assert np.array_equal(pixels, ours)
            assert np.array_equal(labels, our_labels)
