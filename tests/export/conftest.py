"""A small model of each task, loaded."""

from pathlib import Path

import pytest

from convnext_dense.inference import predictor as inference
from convnext_dense.inference.predictor import Predictor
from tests.helpers.mask_rcnn import write_mask_rcnn
from tests.helpers.small_models import CLASSES, CONFIGS, write_checkpoint, write_config


@pytest.fixture(scope='module')
def predictors(tmp_path_factory) -> dict[str, Predictor]:
    folder: Path = tmp_path_factory.mktemp('models')
    made = {}
    for task in CONFIGS:
        config = write_config(task, folder)
        checkpoint = write_checkpoint(config, folder / f'{task}.pth', classes=CLASSES)
        made[task] = inference.load(config, checkpoint, device='cpu', data='sample')
    return made


@pytest.fixture(scope='module', params=['cascade', 'mask_rcnn'])
def predict(request, tmp_path_factory) -> Predictor:
    folder = tmp_path_factory.mktemp('models')
    config = write_config('detection', folder) if request.param == 'cascade' else write_mask_rcnn(folder)
    checkpoint = write_checkpoint(config, folder / 'detector.pth', classes=CLASSES)
    return inference.load(config, checkpoint, device='cpu', data='sample')
