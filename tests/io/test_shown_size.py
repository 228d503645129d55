import numpy as np

from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.shown_size import shown_image, shown_labels, shown_size


def test_large_images_are_shrunk_in_proportion_and_small_ones_left():
    assert shown_size(ImageSize(1200, 800)) == (480, 320)
    assert shown_size(ImageSize(480, 3)) == (480, 3)
    assert shown_size(ImageSize(10, 100_000)) == (1, 480)


def test_pixels_are_means_and_labels_are_those_in_the_middle():
    image = np.zeros((900, 600, 3), np.uint8)
    image[:, 1::2] = 100
    assert np.abs(shown_image(image, ImageSize(450, 300)).astype(int) - 50).max() <= 1
    assert shown_image(image, ImageSize(900, 600)) is image
    labels = np.arange(900)[:, None].repeat(600, 1)
    shown = shown_labels(labels, ImageSize(300, 200))
    assert shown.shape == (300, 200)
    assert shown[:3, 0].tolist() == [1, 4, 7]  # the middle of 0 to 2, of 3 to 5, of 6 to 8
    assert shown_labels(labels, ImageSize(900, 600)).tolist() == labels.tolist()
