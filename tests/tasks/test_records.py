"""A prepared image of another size."""

import torch

from convnext_dense.io.image_size import ImageSize
from convnext_dense.tasks import PreparedImage


def test_a_prepared_image_is_resized_with_its_dtype():
    pixels = torch.tensor([[0, 100], [100, 200]], dtype=torch.uint8).expand(3, 2, 2)
    image = PreparedImage('a.png', pixels, 'metadata of 2 x 2')
    small = image.resized(ImageSize(1, 1), 'metadata of 1 x 1')
    assert (small.path, small.sample, small.tensor.dtype) == ('a.png', 'metadata of 1 x 1', torch.uint8)
    assert small.tensor.tolist() == [[[100]]] * 3  # the mean: it is antialiased
    wide = PreparedImage(None, pixels.float()).resized(ImageSize(2, 4)).tensor
    assert torch.allclose(wide[0, 0], torch.tensor([0.0, 25.0, 75.0, 100.0]))  # at -1/4, 1/4, 3/4 and 5/4
    assert image.resized(ImageSize(2, 2)).tensor is pixels
