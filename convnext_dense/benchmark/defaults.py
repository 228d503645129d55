"""Names and default settings of the measurements; imports nothing large."""

from ..io.image_size import ImageSize

DTYPES = ('fp32', 'bf16')

# Batch size and image size. A training step takes three times as long as a forward pass.
DEFAULTS: dict[str, tuple[int, ImageSize]] = {
    'forward': (16, ImageSize(224, 224)),
    'train': (8, ImageSize(224, 224)),
    'loader': (32, ImageSize(224, 224)),
    'eval': (16, ImageSize(512, 683)),
    'detector': (1, ImageSize(608, 800)),
    'segmentor': (2, ImageSize(512, 512)),
}
