"""Reading configs, and the changes that the command line makes to them."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from mmengine.registry import DefaultScope

from convnext_dense.config.find import find_config
from convnext_dense.config.read import read_config
from convnext_dense.data.formats import base
from convnext_dense.errors import NoData, UserError
from convnext_dense.registry import DATASETS
from convnext_dense.tasks import TrainedClasses, smallest_head
from tests.helpers import coco_files
from tests.helpers.layouts import touch
from tests.helpers.mask_folder import write_mask_folder
from tests.helpers.opened_files import opened_files
from tests.helpers.run_tool import ATTO
from tests.helpers.small_files import write_files

TINY = 'configs/classification/convnext_t.py'
DETECTOR, SEGMENTOR = 'configs/det/cascade_convnext_a_coco.py', 'configs/seg/upernet_convnext_a_ade20k.py'


def test_the_data_reach_every_loader_and_the_head(cfg, image_folder):
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    assert {loader.dataset.root for loader in loaders} == {str(image_folder)}
    assert cfg.model.num_classes == 3


def test_options_come_last(image_folder):
    options = {'model.backbone.drop_path_rate': 0.3, 'pretrained': 'x.pth', 'find_unused_parameters': True}
    cfg = read_config(TINY, options, str(image_folder))
    assert cfg.model.backbone.drop_path_rate == 0.3
    assert cfg.pretrained == 'x.pth'


@pytest.mark.parametrize(
    ('path', 'content', 'said'),
    [
        ('configs/classification/convnext_tt.py', None, 'did you mean configs/classification/convnext_t.py'),
        ('broken.py', 'model = dict(', 'broken.py line 1 does not parse'),
        ('undefined.py', 'model = nothing', 'undefined.py does not parse.*nothing'),
        (
            'base.py',
            "_base_ = './absent.py'",
            'base.py: it, or .* that does not exist .*absent.py',
        ),
        ('other.py', 'a = 1', 'has no task, no model'),
    ],
)
def test_what_is_no_config_is_said(tmp_path, monkeypatch, path, content, said):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / path).write_text(content + '\n')
    with pytest.raises(UserError, match=said) as error:
        read_config(path)
    assert '\n' not in str(error.value)


def test_an_unknown_top_level_option_is_an_error(image_folder):
    with pytest.raises(UserError, match=r"no key 'optim_wraper'.*did you mean optim_wrapper"):
        read_config(TINY, {'optim_wraper.optimizer.lr': 1}, str(image_folder))


def test_an_option_that_does_not_fit_is_an_error(image_folder):
    with pytest.raises(UserError, match='do not fit'):
        read_config(TINY, {'param_scheduler.7.end': 1}, str(image_folder))


def test_the_schedule_follows_the_epochs_however_they_are_set(image_folder, monkeypatch, tmp_path):
    (tmp_path / 'classification').symlink_to(image_folder)
    monkeypatch.setattr('convnext_dense.sample_data.create.ensure_sample', lambda: tmp_path)
    sample = read_config(TINY, data='sample')
    option = read_config(TINY, {'train_cfg.max_epochs': 30}, str(image_folder))
    for cfg, epochs in ((sample, sample.train_cfg.max_epochs), (option, 30)):
        assert cfg.param_scheduler[0].end == cfg.param_scheduler[1].begin == pytest.approx(20 * epochs / 300)
        assert cfg.param_scheduler[1].end == pytest.approx(epochs)
    own = read_config(TINY, {'train_cfg.max_epochs': 30, 'param_scheduler.1.end': 40}, str(image_folder))
    assert [own.param_scheduler[i].end for i in (0, 1)] == [20, 40]


def test_sample_settings_alone_need_no_data(monkeypatch):
    monkeypatch.setattr('convnext_dense.sample_data.create.ensure_sample', lambda: 1 / 0)
    cfg = read_config(TINY, data='sample', needs_data=False)
    assert cfg.test_dataloader.dataset.transform.input_size == 48
    assert (cfg.model.num_classes, cfg.test_dataloader.dataset.root) == (1000, 'data/imagenet')


def test_sample_changes_what_the_config_lists(image_folder, monkeypatch, tmp_path):
    (tmp_path / 'classification').symlink_to(image_folder)
    monkeypatch.setattr('convnext_dense.sample_data.create.ensure_sample', lambda: tmp_path)
    cfg = read_config(TINY, {'train_dataloader.batch_size': 7}, 'sample')
    assert cfg.train_dataloader.dataset.transform.input_size == 48
    assert cfg.train_dataloader.dataset.transform.auto_augment == 'rand-m9-mstd0.5-inc1'
    assert cfg.train_dataloader.dataset.root == str(tmp_path / 'classification')
    assert cfg.train_dataloader.batch_size == 7


def test_settings_for_the_sample_inside_a_config_are_refused(tmp_path):
    config = tmp_path / 'own.py'
    config.write_text(f"_base_ = '{find_config(TINY).resolve()}'\nsample = dict(train_cfg=dict(max_epochs=2))\n")
    with pytest.raises(UserError, match=r'own.py sets sample = dict\(...\), which has no effect: .* sample_settings'):
        read_config(str(config), needs_data=False)


@pytest.fixture
def coco(tmp_path):
    """Writes COCO data of the given splits alone; returns the root."""

    def write(*splits: str) -> Path:
        for split in splits:
            coco_files.write(tmp_path / 'coco', coco_files.content(), split)
        return tmp_path / 'coco'

    return write


def test_testing_needs_no_training_data(coco, own_image_folder, tmp_path):
    root = coco('val')
    cfg = read_config(DETECTOR, data=str(root), reads='test')
    assert cfg.test_dataloader.dataset.annotations == f'{root}/annotations/instances_val2017.json'
    assert cfg.train_dataloader is cfg.val_dataloader is cfg.optim_wrapper is None
    assert smallest_head(cfg) == 3
    single = f'{root}/annotations/instances_val2017.json:{root}/val2017'
    assert read_config(DETECTOR, data=single, reads='test').test_dataloader.dataset.images == f'{root}/val2017'
    with pytest.raises(NoData, match='no train annotations at'):
        read_config(DETECTOR, data=str(root), reads='train')
    shutil.rmtree(own_image_folder / 'train')
    assert smallest_head(read_config(ATTO, data=str(own_image_folder), reads='test')) == 3
    masks = write_mask_folder(tmp_path / 'masks')
    for kind in ('images', 'annotations'):
        shutil.rmtree(masks / kind / 'training')
    assert read_config(SEGMENTOR, data=str(masks), reads='test').train_dataloader is None


def test_training_needs_no_validation_data(coco, own_image_folder, tmp_path):
    root = coco('train')
    single = f'{root}/annotations/instances_train2017.json:{root}/train2017'
    shutil.rmtree(own_image_folder / 'val')
    masks = write_mask_folder(tmp_path / 'masks')
    for kind in ('images', 'annotations'):
        shutil.rmtree(masks / kind / 'validation')
    for config, data in ((DETECTOR, root), (DETECTOR, single), (ATTO, own_image_folder), (SEGMENTOR, masks)):
        cfg = read_config(config, data=str(data), reads='train')
        assert cfg.val_dataloader is cfg.val_cfg is cfg.val_evaluator is None
        assert cfg.train_dataloader is not None and cfg.test_dataloader is not None
    assert read_config(DETECTOR, data=single, reads='train').train_dataloader.dataset.images == f'{root}/train2017'
    with pytest.raises(NoData, match='no val annotations at'):
        read_config(DETECTOR, data=str(root))


def test_data_sets_join_the_classes_of_a_checkpoint(coco):
    classes = TrainedClasses(['blue', 'sky', 'red', 'green'], [3, 4, 5, 6])
    cfg = read_config(DETECTOR, data=str(coco('val')), reads='test', classes=classes)
    assert cfg.test_dataloader.dataset.classes == ['blue', 'sky', 'red', 'green']
    assert cfg.test_dataloader.dataset.category_ids == [3, 4, 5, 6]
    assert smallest_head(cfg) == 4


def test_the_config_of_a_run_without_validation_data_needs_some_for_testing(coco, tmp_path):
    cfg = read_config(DETECTOR, data=str(coco('train')), reads='train')
    cfg.dump(tmp_path / 'saved.py')
    classes = TrainedClasses(['red', 'green', 'blue'], [7, 2, 0])
    with pytest.raises(NoData, match='is of a run without validation data: give some with --data PATH'):
        read_config(str(tmp_path / 'saved.py'), saved=True, reads='test', classes=classes)
    given = read_config(str(tmp_path / 'saved.py'), data=str(coco('val')), saved=True, reads='test', classes=classes)
    assert Path(given.test_dataloader.dataset.annotations).is_file()


def test_validation_under_another_root_has_the_labels_of_training(tmp_path):
    touch(tmp_path / 'a', 'train/cat/1.jpg', 'train/cow/1.jpg', 'train/dog/1.jpg', 'val/cat/1.jpg')
    touch(tmp_path / 'b', 'train/cow/1.jpg', 'train/dog/1.jpg', 'val/cow/1.jpg', 'val/dog/1.jpg')
    options = {
        'train_dataloader.dataset.root': str(tmp_path / 'a'),
        'val_dataloader.dataset.root': str(tmp_path / 'b'),
    }
    cfg = read_config(ATTO, {**options, 'test_dataloader.dataset.root': str(tmp_path / 'a')})
    assert smallest_head(cfg) == 3
    assert 'classes' not in cfg.train_dataloader.dataset and 'classes' not in cfg.test_dataloader.dataset
    val = DATASETS.build(cfg.val_dataloader.dataset)
    assert [(Path(val.image(n)[0]).parent.name, val.labels[n]) for n in range(2)] == [('cow', 1), ('dog', 2)]


BOX = '<xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>'
BOX = f'<object><name>NAME</name><bndbox>{BOX}</bndbox></object>'
SHAPES = [{'label': name, 'points': [[1, 1], [9, 1], [9, 9]], 'shape_type': 'polygon'} for name in ('cat', 'dog')]
OF_IMAGES = {
    'voc': {
        f'{split}/0{number}.xml': f'<annotation>{BOX.replace("NAME", name)}</annotation>'
        for split, name in (('train', 'cat'), ('valid', 'dog'))
        for number in range(30, 33)
    },
    'labelme': {
        f'{split}/0{number}.json': json.dumps({'imagePath': f'0{number}.png', 'imageData': None, 'shapes': SHAPES})
        for split in ('train', 'valid')
        for number in range(30, 33)
    },
}  # fmt: skip
"""Files behind those in a folder that are opened to recognize the format."""


@pytest.mark.parametrize('name', OF_IMAGES)
def test_each_file_of_annotations_is_read_twice_before_training(tmp_path, name):
    suffix = 'xml' if name == 'voc' else 'json'
    few = [f'{split}/00{number}.{suffix}' for split in ('train', 'valid') for number in range(5)]
    first = next(iter(OF_IMAGES[name].values()))
    others = {file: first.replace('030.png', f'{Path(file).stem}.png') for file in few}
    files = {**OF_IMAGES[name], **others}
    images = [str(Path(file).with_suffix('.png')) for file in files]
    write_files(tmp_path / 'data', {**files, **dict.fromkeys(images, (60, 40))})
    with opened_files(tmp_path / 'data') as opened:
        cfg = read_config('configs/det/mask_rcnn_convnext_t_coco.py', data=str(tmp_path / 'data'), reads='train')
        with DefaultScope.overwrite_default_scope('mmdet'):
            for loader in (cfg.train_dataloader, cfg.val_dataloader):
                assert len(DATASETS.build(loader.dataset)) == len(files) // 2
    counts = {opened.count(file) for file in OF_IMAGES[name]}
    assert counts == {2 if name == 'voc' else 3}  # the beginning of JSON, too: it may be of COCO


def test_the_files_of_drawn_masks_are_looked_at_once(tmp_path, monkeypatch):
    files = OF_IMAGES['labelme']
    images = [str(Path(file).with_suffix('.png')) for file in files]
    write_files(tmp_path / 'data', {**files, **dict.fromkeys(images)})
    walked: list[str] = []
    of_folder = base._files_below
    monkeypatch.setattr(base, '_files_below', lambda path, seen: walked.append(path) or of_folder(path, seen))
    with opened_files(tmp_path / 'data') as opened:
        cfg = read_config('configs/seg/upernet_convnext_a_ade20k.py', data=str(tmp_path / 'data'), reads='train')
    assert Counter(walked).most_common(1)[0][1] <= 4  # of each split, once for the label maps and once for objects
    assert opened.count('train/030.json') < 15  # of which most are to recognize the format
    (tmp_path / 'data/train/030.json').write_text(files['train/030.json'].replace('cat', 'bear'))
    again = read_config('configs/seg/upernet_convnext_a_ade20k.py', data=str(tmp_path / 'data'), reads='train')
    assert [smallest_head(one) for one in (cfg, again)] == [3, 4]
