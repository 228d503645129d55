"""What can be measured, and how by default; quick to import."""

DTYPES = ('fp32', 'bf16')

# Images in a batch, their height and width. A training step takes three times as long as a forward pass.
DEFAULTS: dict[str, tuple[int, tuple[int, int]]] = {
    'forward': (16, (224, 224)),
    'train': (8, (224, 224)),
    'loader': (32, (224, 224)),
    'eval': (16, (512, 683)),
    'detector': (1, (608, 800)),
    'segmentor': (2, (512, 512)),
}
