"""The loaders of ours, timm and torchvision give images that are alike."""

from pathlib import Path

import torch
from PIL import Image

from convnext_dense.benchmark import loader as module
from convnext_dense.benchmark.loader import loader, write_photos
from convnext_dense.benchmark.setting import Setting
from convnext_dense.config.read import read_config
from convnext_dense.io.image_size import ImageSize


def measure(image_folder):
    options = {
        'train_dataloader.batch_size': 20,
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.pin_memory': False,
        'train_dataloader.dataset.transform.input_size': 32,
    }
    cfg = read_config('configs/classification/convnext_t.py', options, str(image_folder))
    return loader(cfg.train_dataloader, Setting(torch.device('cpu'), seconds=0))


def test_all_loaders(image_folder, two_rounds):
    series = measure(image_folder)
    assert [row.name for row in series.rows] == ['ours', 'timm', 'torchvision v2']
    assert not series.failures()
    assert all(len(row.seconds) == 2 for row in series.rows)
    assert series.items == 40  # two whole batches of 48
    assert series.about == '40 images to 32 x 32, 0 worker processes'


def test_images_that_are_not_normalized_are_refused(image_folder, two_rounds, monkeypatch):
    batches = [(torch.rand(20, 3, 32, 32), None)] * 2
    monkeypatch.setattr(module, '_torchvision', lambda *_: batches)
    series = measure(image_folder)
    assert [row.name for row in series.failures()] == ['torchvision v2']


def test_photos(image_folder, tmp_path):
    write_photos(Path(image_folder, 'train'), tmp_path, 5, size=ImageSize(40, 50))
    photos = sorted((tmp_path / 'train').glob('*/*.jpg'))
    assert len(photos) == 5
    assert {Image.open(photo).size for photo in photos} == {(50, 40)}
