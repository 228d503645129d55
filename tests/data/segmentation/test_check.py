"""Reading image/mask folders for a check: faults of masks."""

from pathlib import Path

import numpy as np
import pytest

from convnext_dense.data.check import PROBLEM, WARNING, CheckResult, check_dataset
from convnext_dense.data.segmentation.check import read_mask_folder
from convnext_dense.errors import NoData
from tests.helpers.findings import found
from tests.helpers.mask_folder import draw_labels, save, write_mask_folder

SPLITS = {'train': 'training', 'val': 'validation'}


def checked_masks(root: Path) -> CheckResult:
    sources = {name: {'root': str(root), 'split': split} for name, split in SPLITS.items()}
    return check_dataset(read_mask_folder(sources), 1)


@pytest.fixture
def masks(tmp_path) -> Path:
    """Validation's images are others than training's."""
    root = write_mask_folder(tmp_path / 'masks', training=4, validation=0)
    for i in range(2):
        save(root / 'images' / 'validation' / f'{i:02d}.png', np.full((40, 56, 3), i, np.uint8))
        save(root / 'annotations' / 'validation' / f'{i:02d}.png', draw_labels(i))
    return root


def test_a_good_mask_folder(masks):
    checked = checked_masks(masks)
    assert checked.findings == []
    labels = np.stack([draw_labels(i) for i in range(4)])
    assert checked.class_counts[0].units.tolist() == [int((labels == k).sum()) for k in range(1, 6)]
    assert checked.class_counts[0].images.tolist() == [4] * 5


@pytest.mark.parametrize('names', [False, True])
def test_masks_that_cannot_be_used_are_all_named(masks, names):
    if names:
        (masks / 'classes.txt').write_text('a\nb\nc\nd\ne\n')
    folder = masks / 'annotations' / 'training'
    save(folder / '00.png', np.full((40, 55), 1, np.uint8))
    (folder / '01.png').write_bytes(b'PNG')
    save(folder / '02.png', np.full((40, 56), 255, np.uint8))
    save(folder / '03.png', np.full((40, 56), 9, np.uint8))
    (masks / 'images' / 'training' / '03.png').write_bytes(b'')
    checked = checked_masks(masks)
    problems = found(checked, PROBLEM)
    beyond = {'train: 1 mask with labels above 5': ['03.png']} if names else {}  # without names 9 is a class
    assert problems == {
        'train: 1 mask unreadable': ['01.png'],
        'train: 1 mask of another size than the image (height x width)': ['00.png'],
        **beyond,
        "train: 1 image that can't be decoded": ['03.png'],
    }
    assert found(checked, WARNING)['train: 1 mask without a labeled pixel'] == ['02.png']
    assert len(checked.data.classes) == (5 if names else 9)


def test_an_image_without_a_mask_is_a_problem(masks):
    (masks / 'annotations' / 'training' / '00.png').unlink()
    checked = checked_masks(masks)
    [problem] = [f for f in checked.findings if f.level == PROBLEM]
    assert '1 of 4 images' in problem.message and problem.split == 'train'
    assert len(checked.data.splits[1].images) == 2


def test_a_list_of_names_that_cannot_be_used_is_a_problem(masks):
    (masks / 'classes.txt').write_text('a\na\n')
    [problem] = [f for f in checked_masks(masks).findings if f.level == PROBLEM]
    assert "'a' comes twice" in problem.message


def test_a_mask_folder_without_data(tmp_path):
    with pytest.raises(NoData, match='no data at'):
        checked_masks(tmp_path)
