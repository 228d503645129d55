"""Images without labels: what is read, and what is said when it can't be."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convnext_dense.data.pretraining.dataset import UnlabeledImages, collate_unlabeled
from convnext_dense.errors import UserError
from convnext_dense.registry import DATASETS

TRAIN = dict(input_size=32, scale=(0.2, 1.0), interpolation='bicubic', color_jitter=None)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture
def images(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(0, 256, (40 + i, 50, 3), np.uint8)
        (tmp_path / f'{i % 3}').mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f'{i % 3}' / f'{i:02}.png')
    return tmp_path


def test_all_images_are_in_it_without_labels(images):
    config = dict(type='convnext_dense.UnlabeledImages', root=str(images), split='train', transform=TRAIN)
    data = DATASETS.build(config)
    assert len(data) == 12
    assert [os.path.relpath(data[i]['path'], images) for i in (0, 11)] == ['0/00.png', '2/11.png']
    assert data[0].keys() == {'image', 'path', 'skipped', 'seed'}
    assert data[0]['image'].shape == (3, 32, 32)
    assert len(UnlabeledImages(str(images), 'train', TRAIN, indices=5)) == 5


def test_training_crops_and_flips_and_changes_no_color(images):
    """Every crop of an image of one color is that color, normalized."""
    color = np.array([200, 30, 90], np.uint8)
    Image.fromarray(np.tile(color, (60, 60, 1))).save(images / 'plain.png')
    data = UnlabeledImages(str(images), 'train', TRAIN)
    index = next(i for i in range(len(data)) if data.image(i)[0].endswith('plain.png'))
    expected = torch.tensor((color / 255 - MEAN) / STD).float().view(3, 1, 1).expand(3, 32, 32)
    for seed in range(8):
        assert torch.allclose(data[(index, seed)]['image'], expected, atol=1e-5)


def test_crops_follow_the_seed_alone_and_have_20_to_100_percent_of_the_area(images):
    ramp = np.linspace(0, 255, 200).astype(np.uint8)
    Image.fromarray(np.stack([*np.meshgrid(ramp, ramp), np.zeros((200, 200), np.uint8)], -1)).save(images / 'ramp.png')
    data = UnlabeledImages(str(images), 'train', TRAIN)
    index = next(i for i in range(len(data)) if data.image(i)[0].endswith('ramp.png'))
    assert torch.equal(data[(index, 3)]['image'], data[(index, 3)]['image'])
    areas, flipped = [], 0
    for seed in range(200):
        levels = data[(index, seed)]['image'].numpy().transpose(1, 2, 0) * STD + MEAN
        width, height = levels[16, -1, 0] - levels[16, 0, 0], levels[-1, 16, 1] - levels[0, 16, 1]
        assert height > 0
        flipped += width < 0
        areas.append(abs(width) * height / (31 / 32) ** 2)
    assert 0.17 < min(areas) < 0.3
    assert 0.9 < max(areas) < 1.05
    assert 70 < flipped < 130


def test_broken_files_stop_or_are_skipped(images):
    (images / '0' / '00.png').write_bytes(b'no image')
    data = UnlabeledImages(str(images), 'train', TRAIN)
    with pytest.raises(UserError, match=r'bad image .*00.png .*: fix or remove it, or skip it with --on-bad-image'):
        data[0]
    data = UnlabeledImages(str(images), 'train', TRAIN, on_bad_image='skip')
    sample = data[0]
    assert (Path(sample['path']).name, [Path(path).name for path in sample['skipped']]) == ('03.png', ['00.png'])
    data = UnlabeledImages(str(images), 'val', dict(input_size=32), on_bad_image='skip', source='train')
    batch = collate_unlabeled([data[0], data[1]])
    assert batch['inputs'].shape == (1, 3, 32, 32)
    assert [Path(path).name for path in batch['paths'] + batch['skipped']] == ['03.png', '00.png']
    assert collate_unlabeled([data[0]])['inputs'].shape[0] == 0


def test_wrong_arguments(images):
    with pytest.raises(UserError, match=r"split 'test' does not exist: take 'train' or 'val'"):
        UnlabeledImages(str(images), 'test', TRAIN)
    with pytest.raises(UserError, match='indices 0 is too small: take at least 1, or None for all images'):
        UnlabeledImages(str(images), 'train', TRAIN, indices=0)
    with pytest.raises(UserError, match=r'holds no images for val: hold some out with --val-split 0.05'):
        UnlabeledImages(str(images), 'val', dict(input_size=32))


def test_parts_of_the_folder(images):
    rule = dict(share=0.25)
    train = UnlabeledImages(str(images), 'train', TRAIN, subset={**rule, 'part': 'train'})
    val = UnlabeledImages(str(images), 'val', dict(input_size=32), source='train', subset={**rule, 'part': 'val'})
    assert (len(train), len(val)) == (9, 3)
    assert {*train.paths.tolist()}.isdisjoint(val.paths.tolist())
    assert train.kept_split == val.kept_split
