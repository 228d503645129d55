"""The choice of classes from the command line to the data sets of a config, their heads and a checkpoint's."""

import copy
import json

import pytest
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from convnext_dense.config.read import read_config
from convnext_dense.config.saved import read_saved_config
from convnext_dense.data.class_choice import ClassChoice, Merge, as_choice
from convnext_dense.errors import UserError
from convnext_dense.registry import DATASETS as OURS
from convnext_dense.tasks import DataOptions, TrainedClasses, innermost_datasets, own_datasets, smallest_head, task_of
from convnext_dense.tasks.class_choices import join_checked, join_chosen, set_choice, settle_choice
from convnext_dense.tasks.classification import ClassificationTask
from tests.helpers import coco_files
from tests.helpers.mask_folder import write_mask_folder
from tests.helpers.run_tool import ATTO

DET, SEG = 'configs/det/cascade_convnext_a_coco.py', 'configs/seg/upernet_convnext_a_ade20k.py'
TASK = ClassificationTask()
WARM = ClassChoice(('green', 'warm'), (Merge(('red', 'blue'), 'warm'),))


@DATASETS.register_module()
class DatasetOfOthers(BaseDataset):
    """A data set of another library."""


@OURS.register_module(force=True)
class WithoutChoice(BaseDataset):
    """A data set of somebody that is derived from ours, and takes no choice."""

    def __init__(self, root: str, split: str) -> None:
        self.root, self.split = root, split


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))


@pytest.fixture(scope='module')
def roots(tmp_path_factory, image_folder) -> dict:
    """A data set of each task with the classes red, green, blue, by the task's config."""
    coco = tmp_path_factory.mktemp('coco')
    for split in ('train', 'val'):
        coco_files.write(coco, coco_files.content(), split)
    return {ATTO: image_folder, DET: coco, SEG: write_mask_folder(tmp_path_factory.mktemp('masks') / 'a')}


def read(config: str, root: object, choice: ClassChoice | None = None, **options: object) -> Config:
    return read_config(config, data=str(root), data_options=DataOptions(choice=choice), **options)


@pytest.mark.parametrize('config', [ATTO, DET, SEG])
def test_heads_and_data_sets_have_the_chosen_classes_in_their_order(config, roots, tmp_path):
    cfg = read(config, roots[config], WARM)
    datasets = own_datasets(cfg)
    assert len(datasets) == 3
    assert all(as_choice(dataset.choice) == WARM and dataset.classes == ['green', 'warm'] for dataset in datasets)
    assert smallest_head(cfg) == 2
    built = OURS.build(copy.deepcopy(cfg.val_dataloader.dataset))
    assert list(built.metainfo['classes']) == ['green', 'warm'] and as_choice(built.metainfo['choice']) == WARM
    cfg.dump(tmp_path / 'saved.py')  # as a run saves it
    saved = read_saved_config(tmp_path / 'saved.py')
    assert [as_choice(dataset.choice) for dataset in own_datasets(saved)] == [WARM] * 3
    again = read(str(tmp_path / 'saved.py'), roots[config], ClassChoice(('blue', 'red', 'green')), saved=True)
    assert [dataset.classes for dataset in own_datasets(again)] == [['blue', 'red', 'green']] * 3
    assert smallest_head(again) == 3


@pytest.mark.parametrize('config', [ATTO, DET, SEG])
def test_the_choice_of_a_checkpoint_is_taken_and_another_one_refused(config, roots):
    trained = TrainedClasses(['green', 'warm'], choice=WARM)
    cfg = read(config, roots[config], reads='test', classes=trained)
    built = OURS.build(copy.deepcopy(cfg.test_dataloader.dataset))
    assert list(built.metainfo['classes']) == ['green', 'warm'] and as_choice(built.metainfo['choice']) == WARM
    assert read(config, roots[config], WARM, reads='test', classes=trained)  # given again
    with pytest.raises(
        UserError, match=r'checkpoint was trained with --classes green,warm --merge .*, and this is with'
    ):
        read(config, roots[config], ClassChoice(('green', 'blue')), reads='test', classes=trained)
    with pytest.raises(
        UserError, match='trained without --classes, --merge and --ignore-classes, and this is with --c'
    ):
        read(config, roots[config], WARM, reads='test', classes=trained._replace(choice=None))


@pytest.mark.parametrize('config', [ATTO, DET, SEG])
def test_unknown_names_are_refused_for_all_data_at_once(config, roots):
    with pytest.raises(
        UserError, match=r"--classes names 'gren' \(did you mean 'green'\?\): there are \d classes in "
    ):
        read(config, roots[config], ClassChoice(('gren', 'blue')))


def test_options_set_the_choice_of_a_data_set_for_all(roots):
    options = {'train_dataloader.dataset.choice': dict(classes=['red', 'blue'])}
    cfg = read_config(ATTO, options, data=str(roots[ATTO]))
    assert [dataset.classes for dataset in own_datasets(cfg)] == [['red', 'blue']] * 3
    options['val_dataloader.dataset.choice'] = dict(classes=['blue', 'red'])
    with pytest.raises(
        UserError, match=r'different choices of classes \(--classes red,blue; --classes blue,red\): give'
    ):
        read_config(ATTO, options, data=str(roots[ATTO]))


def folder(root: object, split: str = 'train') -> dict:
    return dict(type='convnext_dense.ImageFolder', root=str(root), split=split, transform=dict(input_size=32))


def config(*train: dict) -> Config:
    cfg = read_config(ATTO, needs_data=False)
    cfg.train_dataloader.dataset = dict(type='ConcatDataset', datasets=list(train))
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        loader.dataset = folder(train[0].get('root'), 'val')
    return cfg


def test_parts_with_different_classes_have_the_same_ones_after_the_choice(own_image_folder, image_folder):
    for split in ('train', 'val'):
        (own_image_folder / split / 'red').rename(own_image_folder / split / 'pink')
    cfg = config(folder(own_image_folder), folder(image_folder))
    choice = ClassChoice(('red', 'blue'), (Merge(('pink',), 'red'),))
    set_choice(cfg, choice)
    assert settle_choice(cfg) == choice and join_chosen(TASK, cfg)
    parts = [OURS.build(dict(dataset)) for dataset in innermost_datasets(cfg.train_dataloader.dataset)]
    assert [part.metainfo['classes'] for part in parts] == [['red', 'blue']] * 2
    assert [part.class_counts.tolist() for part in parts] == [[8, 8], [16, 16]]
    set_choice(cfg, ClassChoice(('red', 'pink')))  # each is in one part alone
    assert join_chosen(TASK, cfg)
    parts = [OURS.build(dict(dataset)) for dataset in innermost_datasets(cfg.train_dataloader.dataset)]
    assert [part.class_counts.tolist() for part in parts] == [[0, 8], [16, 0]]
    set_choice(cfg, ClassChoice(('red', 'rose')))
    with pytest.raises(UserError, match=f'4 classes in {own_image_folder} and {image_folder}: blue, green, pink, red'):
        join_chosen(TASK, cfg)


def test_data_sets_of_others_are_refused(image_folder):
    for dataset in (dict(type='DatasetOfOthers', data_root='x'), dict(type='WithoutChoice', root='x', split='train')):
        cfg = config(folder(image_folder), dataset)
        with pytest.raises(
            UserError, match=f'for the data sets of this package, and train_dataloader reads a {dataset["type"]}'
        ):
            set_choice(cfg, WARM)
    cfg = config(folder(image_folder), dataset)
    cfg.val_dataloader.dataset.choice = dict(classes=['red'])
    with pytest.raises(
        UserError, match='the classes of a WithoutChoice can not be chosen: give it the argument choice'
    ):
        settle_choice(cfg)


def test_a_config_without_a_choice_is_left_as_it_is(image_folder):
    cfg = config(folder(image_folder))
    before = cfg.to_dict()
    assert settle_choice(cfg) is None and not join_chosen(TASK, cfg)
    join_checked(TASK, own_datasets(cfg))
    assert cfg.to_dict() == before


def test_a_check_leaves_unreadable_data_to_its_findings(roots, tmp_path):
    cfg = read_config(DET, needs_data=False)
    for loader, split in ((cfg.train_dataloader, 'train'), (cfg.val_dataloader, 'val')):
        file, images = coco_files.write(tmp_path, coco_files.content(), split)
        loader.dataset.update(annotations=str(file), images=str(images), choice=dict(classes=['blue', 'red']))
    task = task_of(cfg)
    data = task.read_data(cfg)
    assert data.classes == ['blue', 'red']
    content = coco_files.content()
    content['categories'][0]['name'] = ''
    file.write_text(json.dumps(content))
    found = task.read_data(cfg)
    assert any('categories without a name' in finding.message for finding in found.findings)
    file.write_text(json.dumps(coco_files.content()))
    set_choice(cfg, ClassChoice(('blu',)))
    with pytest.raises(UserError, match=r"--classes names 'blu' \(did you mean 'blue'\?\)"):
        task.read_data(cfg)
