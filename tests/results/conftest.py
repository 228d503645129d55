"""Results of one image that is gray throughout, and a stand-in for the supervision package."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from convnext_dense.io.image_size import ImageSize
from convnext_dense.results import Detection, Segmentation
from convnext_dense.results.colors import palette

HEIGHT, WIDTH = 520, 600
NAMES = ['bird', 'boat', 'car', 'fish', 'kite', 'ring']


@pytest.fixture
def path(tmp_path) -> str:
    """A gray image."""
    file = tmp_path / 'gray.png'
    Image.new('RGB', (WIDTH, HEIGHT), (128, 128, 128)).save(file)
    return str(file)


@pytest.fixture
def detection(path) -> Detection:
    masks = np.zeros((3, HEIGHT, WIDTH), bool)
    masks[0, 100:150, 210:260] = masks[1, 300:310, 20:70] = True
    masks[2, ::2, 1::3] = True
    boxes = np.array([[200.5, 90, 270.25, 160], [10, 290, 80, 320], [0, 0, 600, 520]], np.float32)
    scores = np.array([0.9, 0.4, 0.1], np.float32)
    return Detection(path, ImageSize(HEIGHT, WIDTH), boxes, scores, np.array([5, 0, 5]), masks, NAMES)


@pytest.fixture
def segmentation(path) -> Segmentation:
    labels = np.full((HEIGHT, WIDTH), 255, np.uint8)
    labels[:150], labels[200:460, 100:400] = 4, 2
    return Segmentation(path, labels, NAMES, palette(len(NAMES)))


@pytest.fixture
def supervision(monkeypatch) -> None:
    """A stand-in: ``Detections`` keeps its arguments."""
    module = ModuleType('supervision')
    module.Detections = lambda **arguments: SimpleNamespace(**arguments)
    monkeypatch.setitem(sys.modules, 'supervision', module)
