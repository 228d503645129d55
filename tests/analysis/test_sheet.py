"""The contact sheet: annotations at their places, bad images first."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.analysis.sheet import GAP, contact_sheet
from convnext_dense.data.check import CheckResult, check_dataset
from convnext_dense.data.detection.check import read_coco_files
from convnext_dense.data.segmentation.check import read_mask_folder
from convnext_dense.results.colors import palette
from convnext_dense.tasks import TASKS
from tests.helpers import coco_files
from tests.helpers.mask_folder import save


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))


def masks_of_two_halves(root: Path, count: int) -> CheckResult:
    """Gray images of 530 x 400 pixels, class 0 on the left and class 2 on the right."""
    labels = np.repeat(np.where(np.arange(530) < 265, 1, 3)[None], 400, 0).astype(np.uint8)
    for number in range(count):
        for folder, pixels in (('images', np.full((400, 530, 3), 100 + number, np.uint8)), ('annotations', labels)):
            save(root / folder / 'training' / f'{number}.png', pixels)
    return checked(root)


def checked(root: Path) -> CheckResult:
    return check_dataset(read_mask_folder({'train': {'root': str(root), 'split': 'training'}}), 1)


def test_masks_lie_over_their_images(tmp_path):
    sheet = contact_sheet(TASKS['segmentation'], masks_of_two_halves(tmp_path, 1)).astype(float)
    below_title = sheet[GAP + 60 : GAP + 360]
    for columns, label in ((slice(60, 200), 0), (slice(330, 500), 2)):
        expected = 0.45 * 100 + 0.55 * palette(3)[label]
        assert abs(below_title[:, columns] - expected).max() < 2


def test_bad_ones_come_first_and_the_others_are_spread(tmp_path):
    masks_of_two_halves(tmp_path, 9)
    (tmp_path / 'images' / 'training' / '8.png').write_bytes(b'')
    sheet = contact_sheet(TASKS['segmentation'], checked(tmp_path), count=4)
    assert (sheet[GAP : GAP + 224, GAP : GAP + 224] == 225).all()
    lefts = sheet[GAP + 60 :, :].reshape(-1, 3)
    shown = [n for n in range(8) if (abs(lefts - (0.45 * (100 + n) + 0.55 * palette(3)[0])).max(axis=1) < 0.6).any()]
    assert {shown[0], shown[-1]} == {0, 7}


def test_boxes_are_drawn_where_they_are(tmp_path):
    data = coco_files.content()
    data['images'] = [coco_files.image(0, 530, 400)]
    data['annotations'] = [coco_files.annotation(1, 0, 'green', [100, 120, 200, 150], width=530, height=400)]
    del data['annotations'][0]['segmentation']
    file, folder = coco_files.write(tmp_path, data)
    Image.new('RGB', (530, 400), (128, 128, 128)).save(folder / '000.png')
    found = check_dataset(read_coco_files({'train': {'annotations': str(file), 'images': str(folder)}}), 1)
    sheet = contact_sheet(TASKS['detection'], found).astype(int)
    rows, columns = np.nonzero((sheet == palette(3)[1]).all(axis=-1))
    assert (columns.min() - GAP, columns.max() - GAP) == (100, 299)
    title = sheet.shape[0] - 2 * GAP - 400
    assert rows.max() - GAP - title == 269
