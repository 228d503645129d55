"""Class folders in no split, of which training and validation have a part each."""

import pytest

from convnext_dense.config.read import read_config
from convnext_dense.data import ImageFolder
from convnext_dense.data.class_choice import ClassChoice
from convnext_dense.data.splits import SplitRule
from convnext_dense.errors import UserError
from convnext_dense.tasks import DataOptions, task_of
from tests.conftest import write_image_folder
from tests.helpers.layouts import touch

ATTO = 'configs/classification/convnext_a.py'


@pytest.fixture
def folder(tmp_path):
    return touch(tmp_path, *(f'{name}/{n}.jpg' for name in ('cat', 'dog') for n in range(10)), 'eel/1.jpg')


def paths_of(cfg, key: str) -> list[str]:
    dataset = ImageFolder(
        **{name: value for name, value in cfg[f'{key}_dataloader'].dataset.items() if name != 'type'}
    )
    return [dataset.image(index)[0] for index in range(len(dataset))]


def test_the_data_sets_of_a_config_have_parts_of_one_folder(folder):
    cfg = read_config(ATTO, None, str(folder), data_options=DataOptions(split=SplitRule(0.2)))
    train, val, test = (paths_of(cfg, key) for key in ('train', 'val', 'test'))
    assert len(train) == 17 and len(val) == 4 and not set(train) & set(val) and test == val
    assert sorted(path.split('/')[-2] for path in val) == ['cat', 'cat', 'dog', 'dog']
    assert f'{folder}/eel/1.jpg' in train  # the only one of its class
    held_out = []
    for fold in range(3):
        cfg = read_config(ATTO, None, str(folder), data_options=DataOptions(split=SplitRule(None, 3, fold)))
        held_out += paths_of(cfg, 'val')
        assert sorted(paths_of(cfg, 'val') + paths_of(cfg, 'train')) == sorted(train + val)
    assert sorted(held_out) == sorted(train + val)


def test_without_a_flag_all_images_are_for_training_or_for_testing(folder):
    cfg = read_config(ATTO, None, str(folder), reads='train')
    assert cfg.val_dataloader is None and len(paths_of(cfg, 'train')) == 21
    cfg = read_config(ATTO, None, str(folder), reads='test')
    assert len(paths_of(cfg, 'test')) == 21
    split = write_image_folder(folder / 'split', 3, 2)
    cfg.test_dataloader.dataset.pop('subset', None)
    task_of(cfg).point_at(cfg, str(split))
    assert len(paths_of(cfg, 'test')) == 6  # its own again


def test_a_list_and_an_own_split(tmp_path):
    split = write_image_folder(tmp_path / 'split', 5, 2)
    with pytest.raises(UserError, match=r'--folds 5 --fold 0: .* has validation images already'):
        read_config(ATTO, None, str(split), data_options=DataOptions(split=SplitRule(None, 5, 0)))
    options = DataOptions(split=SplitRule(None, 5, 0), replace_val=True)
    cfg = read_config(ATTO, None, str(split), data_options=options)
    assert len(paths_of(cfg, 'train')) == 12
    assert all('/split/train/' in path for path in paths_of(cfg, 'val')) and len(paths_of(cfg, 'val')) == 3
    touch(tmp_path / 'flat', *(f'images/{n}.jpg' for n in range(8)))
    rows = (f'{n}.jpg,{"ab"[n % 2]},{"xy"[n // 4]}' for n in range(8))
    (tmp_path / 'flat' / 'labels.csv').write_text('\n'.join(['image,type,species', *rows]))
    options = DataOptions(split=SplitRule(0.25), label_column='species')
    cfg = read_config(ATTO, None, str(tmp_path / 'flat'), data_options=options)
    assert cfg.train_dataloader.dataset.label_column == 'species'
    assert sorted(int(path[-5]) // 4 for path in paths_of(cfg, 'val')) == [0, 1]


def test_the_check_reads_both_parts(tmp_path):
    write_image_folder(tmp_path, 5, 0)
    cfg = read_config(ATTO, None, str(tmp_path / 'train' / '..' / 'train'), needs_data=False)
    (tmp_path / 'val').rename(tmp_path / 'empty')
    (tmp_path / 'train').rename(tmp_path / 'photos')
    task_of(cfg).point_at(cfg, str(tmp_path / 'photos'), options=DataOptions(split=SplitRule(0.2)))
    data = task_of(cfg).read_data(cfg)
    assert [len(split.images) for split in data.splits] == [12, 3]
    assert [finding.message[:40] for finding in data.findings] == [
        'split: 12 images for training, 3 for val',
        f'the 3 folders in {tmp_path}'[:40],
        '12 training images are fewer than one ba',
    ]


def test_chosen_classes_are_split(folder):
    choice = ClassChoice(classes=('dog', 'eel'))
    cfg = read_config(ATTO, None, str(folder), data_options=DataOptions(split=SplitRule(0.2), choice=choice))
    train, val = paths_of(cfg, 'train'), paths_of(cfg, 'val')
    assert len(train) == 9 and [path.split('/')[-2] for path in val] == ['dog', 'dog']
    assert [len(split.images) for split in task_of(cfg).read_data(cfg).splits] == [9, 2]


def test_other_data_are_tested_whole(folder, tmp_path_factory):
    """Without the file of the run's split, a rule alone says nothing of what it was trained on."""
    config = tmp_path_factory.mktemp('run') / 'config.py'
    read_config(ATTO, None, str(folder), data_options=DataOptions(split=SplitRule(0.2))).dump(config)
    assert len(paths_of(read_config(str(config), reads='test'), 'test')) == 4  # the config's own
    assert len(paths_of(read_config(str(config), None, str(folder), reads='test'), 'test')) == 21
    options = DataOptions(split=SplitRule(0.2))
    cfg = read_config(str(config), None, str(folder), reads='test', data_options=options)
    assert len(paths_of(cfg, 'test')) == 4
    cfg = read_config(str(config), None, str(folder))  # in training, both parts are used
    assert [len(paths_of(cfg, key)) for key in ('train', 'val')] == [17, 4]
