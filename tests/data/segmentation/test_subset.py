"""A folder of images with masks in no split, of which training and validation have a part each."""

import shutil

import numpy as np
import pytest

import convnext_dense.models.segmentor  # noqa: F401  (registers what the pipelines name)
from convnext_dense.config.read import read_config
from convnext_dense.data.segmentation.find import find_masks
from convnext_dense.data.splits import SplitRule
from convnext_dense.errors import UserError
from convnext_dense.tasks import AS_FOUND, DataOptions, task_of
from tests.helpers.mask_folder import save
from tests.helpers.mask_samples import mask_folder

UPERNET = 'configs/seg/upernet_convnext_t_ade20k.py'


@pytest.fixture
def folder(tmp_path):
    """Twenty images: label 1 in all, 2 in ten, 3 in five."""
    for number in range(20):
        labels = np.ones((16, 16), np.uint8)
        labels[:4] = 2 if number < 10 else 1
        labels[4:8] = 3 if number % 4 == 0 else 1
        save(tmp_path / 'images' / 'training' / f'{number:02}.png', np.stack([labels * 50] * 3, axis=-1))
        save(tmp_path / 'annotations' / 'training' / f'{number:02}.png', labels)
    (tmp_path / 'classes.txt').write_text('one\ntwo\nthree\n')
    return tmp_path


def test_masks_are_split_by_the_classes_that_they_show(folder):
    parts = {
        part: mask_folder(folder, subset={'share': 0.2, 'part': part}, reduce_zero_label=True)
        for part in ('train', 'val')
    }
    paths = {part: [one.image(index)[0] for index in range(len(one))] for part, one in parts.items()}
    assert sorted(paths['train'] + paths['val']) == sorted(image for image, _ in find_masks(folder, 'training'))
    numbers = [int(path[-6:-4]) for path in paths['val']]
    assert (len(numbers), sum(n < 10 for n in numbers), sum(n % 4 == 0 for n in numbers)) == (4, 2, 1)
    assert parts['val'].get_cat_ids(0)  # by the mask of the image, not of another one
    assert parts['val'].kept_split.counts['three'] == {'train': 4, 'val': 1}


def test_the_data_sets_of_a_config_have_parts_of_one_folder(folder):
    options = DataOptions(split=SplitRule(0.25, group=r'^(\d)'))
    cfg = read_config(UPERNET, None, str(folder), data_options=options)
    datasets = [cfg[f'{key}_dataloader'].dataset for key in ('train', 'val', 'test')]
    assert [(one.split, one.subset.part) for one in datasets] == [
        ('training', 'train'),
        ('training', 'val'),
        ('training', 'val'),
    ]
    data = task_of(cfg).read_data(cfg)
    assert sorted(len(split.images) for split in data.splits) == [10, 10]  # the two groups
    firsts = [{image.path.rsplit('/', 1)[1][0] for image in split.images} for split in data.splits]
    assert [len(one) for one in firsts] == [1, 1] and firsts[0] != firsts[1]
    assert sum(finding.message.startswith('split: ') for finding in data.findings) == 1

    for part in ('images', 'annotations'):
        shutil.copytree(folder / part / 'training', folder / part / 'validation')
    with pytest.raises(UserError, match='has validation images already'):
        read_config(UPERNET, None, str(folder), data_options=options)


def test_masks_in_no_split_have_parts_as_well(folder):
    (folder / 'images' / 'training').rename(folder / 'all')
    (folder / 'images').rmdir()
    (folder / 'annotations' / 'training').rename(folder / 'masks')
    (folder / 'annotations').rmdir()
    (folder / 'all').rename(folder / 'images')
    cfg = read_config(UPERNET, None, str(folder), data_options=DataOptions(split=SplitRule(0.2)))
    data = task_of(cfg).read_data(cfg)
    assert [len(split.images) for split in data.splits] == [16, 4]
    cfg = read_config(UPERNET, None, str(folder), reads='test')
    assert cfg.test_dataloader.dataset.split == 'whole' and 'subset' not in cfg.test_dataloader.dataset


@pytest.mark.parametrize('in_no_split', [False, True])
def test_other_data_are_tested_whole(folder, tmp_path_factory, in_no_split):
    """Without the file of the run's split, a rule alone says nothing of what it was trained on."""
    if in_no_split:
        for part in ('images', 'annotations'):
            (folder / part / 'training').rename(folder / 'all')
            (folder / part).rmdir()
            (folder / 'all').rename(folder / part)
        (folder / 'annotations').rename(folder / 'masks')
    config = tmp_path_factory.mktemp('run') / 'config.py'
    options = DataOptions(split=SplitRule(0.2))
    read_config(UPERNET, None, str(folder), data_options=options).dump(config)

    def count(data: str | None, options: DataOptions = AS_FOUND) -> int:
        cfg = read_config(str(config), None, data, reads='test', data_options=options)
        [split] = task_of(cfg).read_data(cfg).splits
        return len(split.images)

    assert [count(None), count(str(folder)), count(str(folder), options)] == [4, 20, 4]
