"""The data sets of a config: ours, others', and wrappers."""

import pytest
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.tasks import (
    TASKS,
    TrainedClasses,
    count_classes,
    innermost_datasets,
    own_datasets,
    place_of,
    point_at,
)
from convnext_dense.tasks.datasets import data_views, only_own_dataset
from tests.helpers.run_tool import ATTO


@DATASETS.register_module()
class SomebodysDataset(BaseDataset):
    """A data set of somebody."""


TASK = TASKS['classification']


def ours(root: object = 'x', split: str = 'train') -> dict:
    return dict(type='convnext_dense.ImageFolder', root=str(root), split=split, transform=dict(input_size=32))


def repeated(dataset: dict) -> dict:
    return dict(type='RepeatDataset', times=2, dataset=dataset)


def config(train: dict, test: dict | None = None) -> Config:
    cfg = read_config(ATTO, needs_data=False)
    cfg.train_dataloader.dataset = train
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset = test or ours(split='val')
    return cfg


def concatenated(*datasets: dict) -> dict:
    return dict(type='ConcatDataset', datasets=list(datasets))


FOREIGN = dict(type='SomebodysDataset', data_root='old', ann_file='a.json', metainfo=dict(classes=['a', 'b', 'c']))


def test_wrappers_are_looked_through():
    cfg = config(repeated(concatenated(ours('a'), repeated(ours('b')))))
    inside = innermost_datasets(cfg.train_dataloader.dataset)
    assert [one.root for one in inside] == ['a', 'b']
    assert [one.root for one in own_datasets(cfg)] == ['a', 'b', 'x', 'x']
    assert place_of(cfg.train_dataloader.dataset) == 'a, b'
    views = list(data_views(cfg))
    assert [view.train_dataloader.dataset.root for view in views] == ['a', 'b']
    assert [view.test_dataloader.dataset.root for view in views] == ['x', 'x']
    views[1].train_dataloader.dataset.root = 'new'
    assert place_of(cfg.train_dataloader.dataset) == 'a, new'


def test_a_wrapped_data_set_is_pointed_at_its_root(image_folder):
    cfg = config(repeated(ours()))
    point_at(TASK, cfg, str(image_folder))
    assert cfg.train_dataloader.dataset.dataset.root == cfg.test_dataloader.dataset.root == str(image_folder)
    assert 'root' not in cfg.train_dataloader.dataset
    assert count_classes(TASK, cfg) == 3


def test_another_librarys_is_pointed_by_its_data_root(image_folder):
    cfg = config(dict(FOREIGN))
    point_at(TASK, cfg, str(image_folder))
    assert cfg.train_dataloader.dataset.data_root == str(image_folder)
    assert place_of(cfg.train_dataloader.dataset) == str(image_folder)
    assert own_datasets(cfg) == [cfg.val_dataloader.dataset, cfg.test_dataloader.dataset]
    del cfg.train_dataloader.dataset['data_root']
    with pytest.raises(UserError, match=r'train_dataloader reads a SomebodysDataset, which states no data_root'):
        point_at(TASK, cfg, str(image_folder))


def test_several_data_sets_have_no_common_root():
    with pytest.raises(UserError, match='--data is the root of one data set, and train_dataloader has 2'):
        point_at(TASK, config(concatenated(ours('a'), ours('b'))), 'c')


def test_classes_are_counted_in_all_and_must_agree(image_folder):
    test = ours(image_folder, 'val')
    assert count_classes(TASK, config(concatenated(ours(image_folder), ours(image_folder)), test)) == 3
    assert count_classes(TASK, config(dict(FOREIGN), test)) == 3
    for metainfo, said in (
        (dict(classes=['a', 'b']), "the config's data sets have 3 and 2 classes"),
        ({}, 'train_dataloader: SomebodysDataset does not tell its classes: set metainfo='),
    ):
        with pytest.raises(UserError, match=said):
            count_classes(TASK, config(dict(FOREIGN, metainfo=metainfo), test))
    with pytest.raises(UserError, match=r"the config's train_dataloader.dataset can't be built"):
        count_classes(TASK, config(dict(type='NoDataset'), test))


def test_where_one_of_ours_is_read_others_are_named():
    for dataset, what in ((concatenated(ours(), ours()), '2 data sets'), (dict(FOREIGN), 'SomebodysDataset')):
        with pytest.raises(UserError, match=f'check_data reads one .*, and this config has {what}: check each with'):
            only_own_dataset(config(dataset).train_dataloader)
    assert only_own_dataset(config(repeated(ours('z'))).train_dataloader).root == 'z'


def test_the_parts_of_wrappers_take_the_classes_of_the_first(image_folder):
    TASK.join_classes(cfg := config(concatenated(ours(image_folder), ours('b')), concatenated(ours('c'), ours('d'))))
    names = [one.get('classes') for one in own_datasets(cfg)]
    assert names[0] is None and names[1] == sorted(names[1]) and len(names[1]) == 3
    assert names[1:] == [names[1]] * 5
    TASK.use_classes(cfg, TrainedClasses(['x', 'y']))
    assert [one.classes for one in own_datasets(cfg)] == [['x', 'y']] * 6
    assert count_classes(TASK, cfg) == 2
