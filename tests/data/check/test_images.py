"""Faults of images that a check finds, against what was spoiled."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from convnext_dense.data.check import NOTE, PROBLEM, WARNING
from convnext_dense.data.check import images as module
from convnext_dense.data.image_scan import ImageScan
from tests.conftest import write_image_folder
from tests.helpers.checked_images import checked_images
from tests.helpers.findings import found, turn


@pytest.fixture
def images(tmp_path) -> Path:
    return write_image_folder(tmp_path / 'images', train=4, val=2)


def spoilt_images(root: Path) -> Path:
    """An image folder with one of each thing."""
    train, val = root / 'train', root / 'val'
    cut = (train / 'blue' / '00.jpg').read_bytes()
    (train / 'blue' / '00.jpg').write_bytes(cut[: len(cut) // 2])
    (train / 'blue' / '01.jpg').write_bytes(b'')
    (train / 'blue' / '02.jpg').write_bytes(b'\n<!DOCTYPE html><html>404</html>')
    (train / 'blue' / '03.jpg').write_bytes(b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n')
    Image.new('RGB', (40, 8)).save(train / 'green' / '00.jpg')
    Image.new('CMYK', (40, 40)).save(train / 'green' / '01.jpg')
    Image.new('RGB', (41, 40)).save(train / 'green' / '02.jpg', format='PNG')
    turn(train / 'green' / '03.jpg', 6)
    shutil.copy(train / 'red' / '00.jpg', train / 'red' / 'again.jpg')
    shutil.copy(train / 'red' / '01.jpg', train / 'green' / 'of_red.jpg')
    shutil.copy(train / 'red' / '02.jpg', val / 'red' / 'known.jpg')
    (val / 'red' / 'a.gif').touch()
    os.symlink(root / 'nowhere', val / 'blue' / 'dangling.jpg')
    return root


@pytest.mark.parametrize('workers', [1, 2])
def test_every_kind_of_bad_image_is_named(images, workers):
    bar = []
    checked = checked_images(spoilt_images(images), workers, advance=lambda: bar.append(1))
    assert len(bar) == sum(len(split.images) for split in checked.data.splits) == 22
    assert found(checked, PROBLEM) == {
        "train: 4 images that can't be decoded": ['00.jpg', '01.jpg', '02.jpg', '03.jpg'],
        "val: 1 image that can't be decoded": ['dangling.jpg'],
        ': 1 image that val shares with train: its results will look better than they are': ['known.jpg'],
    }
    assert found(checked, WARNING) == {
        'train: 1 image with a side of less than 32 pixels': ['00.jpg'],
        'val: 1 image in a format that is not read': ['a.gif'],
        ': 1 image in two classes': ['01.jpg'],
    }
    assert found(checked, NOTE) == {
        'train: 1 image of the mode CMYK, read as 8-bit RGB': ['01.jpg'],
        'train: 1 image of another format than the name says': ['02.jpg'],
        'train: 1 image turned upright, as EXIF says': ['03.jpg'],
        'train: 2 images with the content of another one': ['01.jpg', 'again.jpg'],
    }
    unreadable = next(f.items for f in checked.findings if 'decoded' in f.message)
    for item, reason in zip(unreadable, ('truncated', 'zero bytes', 'an HTML page', 'Git LFS pointer'), strict=True):
        assert reason in item
    levels = [finding.level for finding in checked.findings]
    assert levels == sorted(levels, key=(PROBLEM, WARNING, NOTE).index)


def test_images_of_other_bands_are_no_broken_files(images):
    values = np.zeros((40, 40, 5), np.uint16)
    tifffile.imwrite(images / 'train' / 'blue' / 'five.tif', values, photometric='minisblack', planarconfig='contig')
    checked = checked_images(images, 1)
    assert found(checked, PROBLEM) == {'train: 1 image of other bands than red, green and blue': ['five.tif']}
    assert [f.fix for f in checked.findings if f.level == PROBLEM] == ['choose some with --bands']


def test_a_range_that_is_missing_is_asked_for_although_bands_would_do():
    fault = 'its values are int16: say which is black, such as --value-range 0 4095, or take them with --bands all'
    split = SimpleNamespace(name='train', images=[SimpleNamespace(path='a.tif', is_read=True, size=None)])
    scan = ImageScan(fault=fault, is_ambiguous=True)
    (finding,) = module.find_unsuitable_images(split, [scan], has_positions=True, skip=False)
    assert 'whose values can mean several ranges' in finding.message


def test_large_images_are_named(images, monkeypatch):
    monkeypatch.setattr(module, 'MOST_PIXELS', 48 * 48 - 1)
    assert [len(names) for names in found(checked_images(images), WARNING).values()] == [12, 6]
