"""Reading image/mask folders for a check: faults of masks."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.check import NOTE, PROBLEM, WARNING, CheckResult, check_dataset
from convnext_dense.data.detection.check import read_coco_files
from convnext_dense.data.formats import find_sources
from convnext_dense.data.segmentation.check import read_mask_folder
from convnext_dense.data.segmentation.dataset import MaskFolder
from convnext_dense.errors import NoData, UserError
from tests.helpers.findings import found
from tests.helpers.mask_folder import draw_labels, relabel, save, save_bits, write_mask_folder

SPLITS = {'train': 'training', 'val': 'validation'}


def checked_masks(root: Path, **options: object) -> CheckResult:
    sources = {name: {'root': str(root), 'split': split, **options} for name, split in SPLITS.items()}
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
    assert [(finding.level, finding.message.split(' (')[0]) for finding in checked.findings] == [
        (NOTE, 'label 0 of the masks is ignored')
    ]
    labels = np.stack([draw_labels(i) for i in range(4)])
    assert checked.class_counts[0].units.tolist() == [int((labels == k).sum()) for k in range(1, 6)]
    assert checked.class_counts[0].images.tolist() == [4] * 5


@pytest.mark.parametrize('names', [False, True])
def test_masks_that_cannot_be_used_are_all_named(masks, names):
    if not names:
        (masks / 'classes.txt').unlink()
    folder = masks / 'annotations' / 'training'
    save(folder / '00.png', np.full((40, 55), 1, np.uint8))
    (folder / '01.png').write_bytes(b'PNG')
    save(folder / '02.png', np.full((40, 56), 255, np.uint8))
    save(folder / '03.png', np.full((40, 56), 9, np.uint8))
    (masks / 'images' / 'training' / '03.png').write_bytes(b'')
    checked = checked_masks(masks, reduce_zero_label=True)
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


@pytest.mark.parametrize('depth', [2, 4, 16])
def test_masks_of_any_depth_are_counted(masks, depth):
    labels = np.minimum(draw_labels(0), 3)
    for split in SPLITS.values():
        for path in (masks / 'annotations' / split).iterdir():
            save(path, labels.astype(np.uint16)) if depth == 16 else save_bits(path, labels, depth)
    (masks / 'classes.txt').write_text('a\nb\nc')
    checked = checked_masks(masks)
    assert checked.class_counts[0].units.tolist() == [4 * int((labels == k).sum()) for k in (1, 2, 3)]
    assert found(checked, PROBLEM) == found(checked, WARNING) == {}


def test_masks_of_one_bit_have_a_background(masks):
    labels = draw_labels(0) > 2
    for split in SPLITS.values():
        for path in (masks / 'annotations' / split).iterdir():
            save(path, labels)
    (masks / 'classes.txt').write_text('background\ncat')
    checked = checked_masks(masks)
    assert checked.data.classes == ['background', 'cat']
    assert checked.class_counts[0].units.tolist() == [4 * int((~labels).sum()), 4 * int(labels.sum())]
    assert found(checked, PROBLEM) == found(checked, WARNING) == {}


def test_the_absent_class_has_its_own_name(masks):
    (masks / 'classes.txt').write_text('background\ncat\ndog')
    relabel(masks, lambda labels: np.where(labels > 2, 2, 0))
    checked = checked_masks(masks)
    assert found(checked, WARNING) == {'train: 1 class of 3 without an example': ['cat']}
    (masks / 'classes.txt').write_text('unlabeled\ncat\ndog\nfox')
    relabel(masks, lambda labels: np.where(labels == 2, 3, labels + 1) % 4)  # 1 and 3
    checked = checked_masks(masks)
    assert checked.data.classes == ['cat', 'dog', 'fox']
    assert found(checked, WARNING) == {'train: 1 class of 3 without an example': ['dog']}


@pytest.mark.parametrize(
    ('options', 'names', 'said'),
    [
        ({}, None, 'not decidable'),
        ({}, 'a\nb\nc\nd\ne\nf\ng', 'not decidable'),
        ({'reduce_zero_label': True}, 'background\na\nb\nc\nd\ne', 'label 0 is to be ignored'),
        ({'reduce_zero_label': 'false'}, 'a\nb\nc\nd\ne', "reduce_zero_label 'false' does not exist"),
    ],
)
def test_what_training_refuses_is_a_problem(masks, options, names, said):
    (masks / 'classes.txt').unlink()
    if names:
        (masks / 'classes.txt').write_text(names)
    checked = checked_masks(masks, **options)
    [problem] = [finding.message for finding in checked.findings if finding.level == PROBLEM]
    assert said in problem
    with pytest.raises(UserError) as error:
        MaskFolder(str(masks), 'training', [], **options)
    assert str(error.value) == problem
    assert len(checked.data.classes) == 6 - (options.get('reduce_zero_label') is True)  # they are still counted


def test_255_for_a_class_is_a_problem_of_each_split(masks):
    relabel(masks, lambda labels: np.where(labels > 2, 255, 0))
    problems = found(checked_masks(masks, reduce_zero_label=False), PROBLEM)
    assert [name.split(' (')[0] for name in problems] == [
        'train: 4 masks that hold no label but 0 and 255',
        'val: 2 masks that hold no label but 0 and 255',
    ]


def test_a_setting_that_the_data_speak_against_is_a_warning(masks):
    relabel(masks, lambda labels: np.minimum(labels, 4))
    [message] = [m for m in found(checked_masks(masks, reduce_zero_label=True), WARNING) if 'label 0' in m]
    assert 'as set, although classes.txt has 5 names, and the labels are 0 to 4; --label-zero class' in message
    assert not [f for f in checked_masks(masks, reduce_zero_label=False).findings if 'label 0' in f.message]


def test_splits_with_other_settings_are_a_problem(masks):
    sources = {name: {'root': str(masks), 'split': split} for name, split in SPLITS.items()}
    sources['train']['reduce_zero_label'], sources['val']['reduce_zero_label'] = True, False
    checked = check_dataset(read_mask_folder(sources), 1)
    assert 'True for some data sets of the config and False for others' in next(iter(found(checked, PROBLEM)))


def test_a_fault_of_annotations_is_said_once_at_the_level_and_with_the_places_of_a_detector(tmp_path):
    for split in ('train', 'val'):
        (tmp_path / split).mkdir()
        shapes = [
            {'label': 'cup', 'group_id': 1, 'shape_type': 'polygon', 'points': [[x, 2], [x + 8, 2], [x + 8, 12]]}
            for x in (2, 20)
        ]
        Image.new('RGB', (40, 30)).save(tmp_path / split / 'a.jpg')
        content = {'imagePath': 'a.jpg', 'imageHeight': 30, 'imageWidth': 40, 'shapes': shapes}
        (tmp_path / split / 'a.json').write_text(json.dumps(content))
    own = {'root': str(tmp_path), 'split': 'training'}
    findings = read_mask_folder({'train': own}).findings
    (said,) = [finding for finding in findings if 'joined with another one' in finding.message]
    source = find_sources(str(tmp_path))['train']
    detected = read_coco_files({'train': source._asdict()})
    (expected,) = [one for one in detected.findings if 'joined with another one' in one.message]
    assert said._replace(images=()) == expected._replace(images=())
    assert not said.message.startswith('train') and list(said.items) == ['train/a.json: shapes[1]']
