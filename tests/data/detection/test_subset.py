"""A COCO file in no split, of which training and validation have a part each."""

import pytest

from convnext_dense.config.read import point_at, read_config
from convnext_dense.data.class_choice import ClassChoice
from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.detection.subset import select_images
from convnext_dense.data.formats.base import Source
from convnext_dense.data.splits import SplitRule
from convnext_dense.errors import UserError
from convnext_dense.tasks import AS_FOUND, DataOptions, task_of
from tests.helpers import coco_files

MASK_RCNN = 'configs/det/cascade_convnext_t_coco.py'


def scenes() -> dict:
    """Twenty images: red in all, green in ten, blue in four, and five without annotations but an ignored one."""
    data = {**coco_files.content(), 'images': [], 'annotations': []}
    number = 0
    for k in range(25):
        data['images'].append(coco_files.image(k))
        for name in ('red', 'green', 'blue') if k < 4 else ('red', 'green') if k < 10 else ('red',) if k < 20 else ():
            number += 1
            place = {'red': [2, 2, 20, 20], 'green': [30, 2, 20, 20], 'blue': [2, 30, 20, 20]}[name]
            data['annotations'].append(coco_files.annotation(number, k, name, place))
    return data


@pytest.fixture
def file(tmp_path):
    return coco_files.write(tmp_path, scenes())


def test_images_are_split_with_their_annotations(file):
    whole = read_coco(Source(*file))
    parts = {part: select_images(whole, {'share': 0.2, 'part': part}, str(file[1]))[0] for part in ('train', 'val')}
    ids = {part: {image['id'] for image in coco.images} for part, coco in parts.items()}
    assert ids['train'] | ids['val'] == set(range(25)) and not ids['train'] & ids['val']
    for part, coco in parts.items():
        assert coco.annotations == {number: whole.annotations[number] for number in ids[part]}
    counts = [[sum(number in ids['val'] for number in of) for of in (range(4), range(10), range(20), range(20, 25))]]
    assert counts[0][1:] == [2, 4, 1] and counts[0][0] in (0, 1)


def test_the_data_sets_of_a_config_have_parts_of_one_file(file):
    root = f'{file[0]}:{file[1]}'
    options = DataOptions(split=SplitRule(None, 5, 1))
    cfg = read_config(MASK_RCNN, None, root, data_options=options)
    datasets = {key: cfg[f'{key}_dataloader'].dataset for key in ('train', 'val', 'test')}
    assert {key: dataset.subset for key, dataset in datasets.items()} == {
        'train': {'folds': 5, 'fold': 1, 'seed': 0, 'part': 'train'},
        'val': {'folds': 5, 'fold': 1, 'seed': 0, 'part': 'val'},
        'test': {'folds': 5, 'fold': 1, 'seed': 0, 'part': 'val'},
    }
    assert {dataset.annotations for dataset in datasets.values()} == {str(file[0])}
    steps = [dict(type='convnext_dense.LoadImage')]
    keys = ('annotations', 'images', 'subset')
    built = {
        key: CocoDataset(**{name: datasets[key][name] for name in keys}, pipeline=steps, test_mode=True)
        for key in ('train', 'val')
    }
    paths = {key: {one.image(index)[0] for index in range(len(one))} for key, one in built.items()}
    assert len(paths['train']) == 20 and len(paths['val']) == 5 and not paths['train'] & paths['val']
    assert built['train'].kept_split == built['val'].kept_split
    point_at(cfg, str(file[0].parents[1]), ('train', 'val'), options)  # which finds the file by its layout
    data = task_of(cfg).read_data(cfg)
    assert [len(split.images) for split in data.splits] == [20, 5]
    [line] = [finding.message for finding in data.findings if finding.message.startswith('split: ')]
    assert line.startswith('split: 20 images for training, 5 for validation (20.0%), by name, seed 0, fold 1 of 5')


def test_validation_images_are_never_dropped_in_silence(file, tmp_path, caplog):
    coco_files.write(tmp_path, coco_files.content(), 'val')
    options = DataOptions(split=SplitRule(0.2))
    with pytest.raises(
        UserError, match=r'--val-split 0.2: .* has validation images already: leave it out, or add --r'
    ):
        read_config(MASK_RCNN, None, str(tmp_path), data_options=options)
    cfg = read_config(MASK_RCNN, None, str(tmp_path), data_options=options._replace(replace_val=True))
    assert cfg.val_dataloader.dataset.annotations == str(file[0]) and cfg.val_dataloader.dataset.subset.part == 'val'
    point_at(cfg, str(tmp_path))  # without the flag it has its own again
    assert 'subset' not in cfg.val_dataloader.dataset and 'val2017' in cfg.val_dataloader.dataset.annotations
    file[0].unlink()
    with pytest.raises(UserError, match=r'--val-split 0.2: .* has no training images to split'):
        read_config(MASK_RCNN, None, str(tmp_path), data_options=options)


def test_layouts_of_classification_are_refused(file, tmp_path):
    with pytest.raises(UserError, match='--data-format list is not for annotations of objects: take one of coco'):
        read_config(MASK_RCNN, None, str(tmp_path), data_options=DataOptions(format='list'))


def test_images_are_split_by_the_chosen_classes(file):
    choice = ClassChoice(classes=('green', 'blue'), ignore=('red',))
    whole = read_coco(Source(*file), choice=choice)
    (train, split, _), (val, again, _) = (
        select_images(whole, {'share': 0.5, 'part': part}, str(file[1])) for part in ('train', 'val')
    )
    assert split == again and split.counts == {
        'blue': {'train': 2, 'val': 2},
        'green': {'train': 5, 'val': 5},
    }
    assert len(train.images) + len(val.images) == 25


def test_other_data_are_tested_whole(file, tmp_path_factory):
    """Without the file of the run's split, a rule alone says nothing of what it was trained on."""
    config = tmp_path_factory.mktemp('run') / 'config.py'
    root, options = f'{file[0]}:{file[1]}', DataOptions(split=SplitRule(0.2))
    read_config(MASK_RCNN, None, root, data_options=options).dump(config)

    def count(data: str | None, options: DataOptions = AS_FOUND) -> int:
        cfg = read_config(str(config), None, data, reads='test', data_options=options)
        [split] = task_of(cfg).read_data(cfg).splits
        return len(split.images)

    assert [count(None), count(root), count(root, options)] == [5, 25, 5]
