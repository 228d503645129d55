"""Panoptic segmentation: heads of things and of stuff follow the data, labels join by name, what is drawn."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData

from convnext_dense.config.read import point_at, read_config
from convnext_dense.data.class_choice import ClassChoice, Merge
from convnext_dense.data.foreign import classes_of, with_seeds
from convnext_dense.engine.building import build_model
from convnext_dense.errors import NoData, UserError
from convnext_dense.registry import DATASETS
from convnext_dense.results.colors import palette
from convnext_dense.tasks import DataOptions, TrainedClasses, check_same_task, count_classes_of, set_classes
from convnext_dense.tasks.panoptic import PanopticTask
from convnext_dense.tasks.records import ClassInfo
from tests.helpers.panoptic_heads import IDS, PANOPTIC, STUFF, THINGS, write_panoptic_data, write_panoptic_head
from tests.tasks.test_lookup import weights_of

TASK = PanopticTask()


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> str:
    return str(write_panoptic_data(tmp_path_factory.mktemp('panoptic')))


@pytest.fixture(scope='module')
def configs(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp('configs')
    return {name: str(write_panoptic_head(name, folder)) for name in ('mask2former', 'panoptic_fpn')}


def change(data: str, tmp_path, split: str, edit) -> str:
    """A copy of the data set with another JSON file of a split."""
    for name in ('train2017', 'val2017'):
        (tmp_path / name).symlink_to(f'{data}/{name}')
    (tmp_path / 'annotations').mkdir()
    for name in ('train', 'val'):
        content = json.loads(Path(data, f'annotations/panoptic_{name}2017.json').read_text())
        if name == split:
            edit(content)
        (tmp_path / f'annotations/panoptic_{name}2017.json').write_text(json.dumps(content))
        (tmp_path / f'annotations/panoptic_{name}2017').symlink_to(f'{data}/annotations/panoptic_{name}2017')
    return str(tmp_path)


def test_the_heads_follow_the_things_and_the_stuff_of_the_data(configs, data):
    cfg = read_config(configs['mask2former'], data=data)
    for part in (cfg.model.panoptic_head, cfg.model.panoptic_fusion_head):
        assert (part.num_things_classes, part.num_stuff_classes) == (2, 3)
    assert cfg.model.panoptic_head.loss_cls.class_weight == [1.0] * 5 + [0.1]
    model = build_model(cfg)
    assert model.panoptic_head.cls_embed.out_features == 6
    cfg = read_config(configs['panoptic_fpn'], data=data)
    assert [cfg.model.roi_head[f'{name}_head'].num_classes for name in ('bbox', 'mask')] == [2, 2]
    model = build_model(cfg)
    assert (model.semantic_head.num_classes, model.num_things_classes, model.num_stuff_classes) == (4, 2, 3)
    assert count_classes_of(weights_of(model.state_dict()), cfg) == 5
    with pytest.raises(UserError, match=r'sets num_stuff_classes to 9, and the data have 2 classes of things and 3'):
        read_config(configs['panoptic_fpn'], {'model.semantic_head.num_stuff_classes': 9}, data)


def test_labels_join_the_classes_of_training_by_name(configs, data, tmp_path):
    def reverse(content: dict) -> None:
        content['categories'] = [one for one in content['categories'] if one['name'] != 'road'][::-1]
        for annotation in content['annotations']:
            annotation['segments_info'] = [one for one in annotation['segments_info'] if one['category_id'] != 60]

    changed = change(data, tmp_path, 'val', reverse)
    for png in (tmp_path / 'annotations/panoptic_val2017').glob('*.png'):
        assert png.exists()
    cfg = read_config(configs['mask2former'], data=changed)
    assert (
        cfg.val_dataloader.dataset.classes == [*THINGS, *STUFF] and cfg.val_dataloader.dataset.thing_classes == THINGS
    )
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    assert dataset.metainfo['classes'] == (*THINGS, *STUFF) and dataset.metainfo['stuff_classes'] == tuple(STUFF)
    ids = {'cat': 7, 'dog': 3, 'sky': 40, 'grass': 50}
    of_label = dict(enumerate([*THINGS, *STUFF]))
    segments = {one['id']: one for one in dataset.get_data_info(0)['panoptic']['segments']}
    content = json.loads((tmp_path / 'annotations/panoptic_val2017.json').read_text())
    for one in content['annotations'][0]['segments_info']:
        assert ids[of_label[segments[one['id']]['label']]] == one['category_id']

    tested = read_config(
        configs['mask2former'],
        data=data,
        reads='test',
        classes=TrainedClasses(['dog', 'fox', 'road', 'sky'], [1, 2, 3, 4], stuff=2),
    )
    assert tested.test_dataloader.dataset.thing_classes == ['dog', 'fox']
    assert (tested.model.panoptic_head.num_things_classes, tested.model.panoptic_head.num_stuff_classes) == (2, 2)


def test_chosen_classes_have_things_first(configs, data):
    choice = ClassChoice(classes=('road', 'dog', 'ground'), merge=(Merge(('grass', 'sky'), 'ground'),))
    cfg = read_config(configs['mask2former'], data=data, data_options=DataOptions(choice=choice))
    assert cfg.train_dataloader.dataset.classes == ['dog', 'road', 'ground']
    head = cfg.model.panoptic_head
    assert (head.num_things_classes, head.num_stuff_classes) == (1, 2)
    dataset = with_seeds(DATASETS.build(cfg.val_dataloader.dataset))
    assert classes_of(dataset) == ['dog', 'road', 'ground'] and dataset.metainfo['stuff_classes'] == ('road', 'ground')


def test_a_check_of_chosen_classes_knows_things_that_train_lacks(configs, data, tmp_path):
    """As training does, from the files of all splits."""
    left_out = (IDS['dog'], IDS['road'])

    def leave_out(content):
        content['categories'] = [one for one in content['categories'] if one['name'] not in ('dog', 'road')]
        for one in content['annotations']:
            one['segments_info'] = [s for s in one['segments_info'] if s['category_id'] not in left_out]

    root = change(data, tmp_path, 'train', leave_out)
    choice = DataOptions(choice=ClassChoice(('road', 'dog', 'sky', 'cat')))
    cfg = read_config(configs['mask2former'], needs_data=False, data_options=choice)
    point_at(cfg, root)
    checked = PanopticTask().read_data(cfg)
    assert checked.classes == ['dog', 'cat', 'road', 'sky'] and checked.thing_classes == ['dog', 'cat']
    assert not [finding for finding in checked.findings if 'it is unknown whether' in finding.message]
    assert [len(split.images) > 0 for split in checked.splits] == [True, True]


def test_data_are_found_in_their_layout_alone(configs, data, tmp_path):
    cfg = read_config(configs['mask2former'], needs_data=False)
    with pytest.raises(NoData, match=f'^no panoptic COCO data at {tmp_path}: expected annotations/panoptic_'):
        TASK.point_at(cfg, str(tmp_path))
    with pytest.raises(UserError, match=r'^--data-format voc: panoptic data .* coco-panoptic: leave it out$'):
        TASK.point_at(cfg, data, options=DataOptions(format='voc'))
    (tmp_path / 'annotations').mkdir()
    for name in ('train2017', 'annotations/panoptic_train2017', 'annotations/panoptic_train2017.json'):
        (tmp_path / name).symlink_to(f'{data}/{name}')
    with pytest.raises(NoData, match=r'no val annotations at .*: hold some images out .* TRAIN.json:IMAGES:SEGMENTS'):
        TASK.point_at(cfg, str(tmp_path))
    TASK.point_at(cfg, str(tmp_path), optional=('val',))
    assert TASK.has_data(cfg.train_dataloader.dataset) and not TASK.has_data(cfg.val_dataloader.dataset)


PREPROCESSOR, LOSS = 'model.data_preprocessor', 'model.semantic_head.loss_seg'


@pytest.mark.parametrize(
    ('name', 'options', 'said'),
    [
        ('mask2former', {f'{PREPROCESSOR}.pad_seg': False}, f'{PREPROCESSOR} has no pad_seg: images are padded'),
        ('mask2former', {f'{PREPROCESSOR}.seg_pad_value': 0}, f'{PREPROCESSOR}.seg_pad_value is 0: pixels without'),
        ('panoptic_fpn', {f'{LOSS}.ignore_index': 0}, f'{LOSS}.ignore_index is 0: pixels without a class have'),
        ('panoptic_fpn', {f'{LOSS}.ignore_index': None}, f'{LOSS}.ignore_index is None: pixels without a class'),
        ('panoptic_fpn', {f'{LOSS}.class_weight': [1.0] * 9}, f'{LOSS}.class_weight has 9 weights for 54 classes: g'),
        ('mask2former', {}, None),
        ('panoptic_fpn', {}, None),
    ],
)
def test_settings_that_would_teach_something_else_are_refused(name, options, said, configs):
    cfg = read_config(configs[name], options, needs_data=False)
    model = build_model(cfg)
    if said is None:
        TASK.check_model(model, cfg.model)
        return
    with pytest.raises(UserError, match=said):
        TASK.check_model(model, cfg.model)


def test_more_classes_than_predictions_can_tell_are_refused(configs):
    cfg = read_config(configs['mask2former'], needs_data=False)
    set_classes(cfg, 1000, 10)
    with torch.device('meta'):
        model = build_model(cfg)
    with pytest.raises(UserError, match=r'^the data have 1000 classes: panoptic predictions have at most 999$'):
        TASK.check_model(model, cfg.model)


def test_weights_are_known_by_their_heads(configs):
    states = {}
    for name, config in configs.items():
        cfg = read_config(config, needs_data=False)
        with torch.device('meta'):
            states[name] = build_model(cfg).state_dict()
        check_same_task(weights_of(states[name]), TASK)
    assert TASK.count_head_classes(states['panoptic_fpn']) == 133
    detector = {name: tensor for name, tensor in states['panoptic_fpn'].items() if 'semantic' not in name}
    with pytest.raises(UserError, match='is for detection, the config for panoptic'):
        check_same_task(weights_of(detector), TASK)


def test_stuff_of_a_checkpoint_is_what_it_says_or_the_config(configs):
    cfg = read_config(configs['mask2former'], needs_data=False)
    assert TASK.count_trained_stuff(cfg, {'stuff_classes': ['a', 'b']}) == 2
    assert TASK.count_trained_stuff(cfg, {}) == 53


def test_all_sizes_follow_that_of_the_images(configs, tmp_path):
    pad = [dict(type='mmdet.BatchFixedSizePad', size=(64, 96), pad_mask=True, pad_seg=True, seg_pad_value=255)]
    config = tmp_path / 'c.py'
    config.write_text(
        f"_base_ = '{configs['mask2former']}'\nmodel = dict(data_preprocessor=dict(batch_augments={pad}))"
    )
    cfg = read_config(str(config), {'train_dataloader.dataset.pipeline.4.crop_size': (160, 128)}, needs_data=False)
    assert cfg.model.data_preprocessor.batch_augments[0].size == (128, 160)  # height first, unlike the crop
    assert TASK.describe_sizes(cfg).startswith('images of 128 x 160 in training, shorter sides of 64, longer')
    assert TASK.input_shape(cfg) == (64, 96)


def sample_of(dataset, found: np.ndarray):
    one = dataset[0]['data_samples']
    one.pred_panoptic_seg = PixelData(sem_seg=torch.from_numpy(found)[None])
    return one


def test_predictions_are_compared_with_the_annotated_segments(configs, data):
    cfg = read_config(configs['mask2former'], data=data)
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    truth = dataset.get_data_info(0)['panoptic']
    records = TASK.read_data(cfg)
    record = next(one for one in records.splits[1].images if one.path == dataset.get_data_info(0)['img_path'])
    ids, segments = records.read_segments(record)
    found = np.full(ids.shape, 5)
    for number, one in enumerate(segments, 1):
        found[ids == one['id']] = one['label'] + (1000 * number if one['label'] < 2 else 0)
    whole = [one for one in segments if not one['iscrowd']]
    found[:2, :2] = 90001  # a dog in nothing, which does not count, and one on the road
    found[-3:, -3:] = 91001
    output = sample_of(dataset, found)
    image = np.full((64, 96, 3), 128, np.uint8)
    prediction, ground_truth, caption = TASK.compare(output, image, dataset.metainfo)
    assert caption == f'{len(whole)} of {len(whole)} annotated segments are found, 1 predicted ones are wrong'
    assert prediction.shape[1] == ground_truth.shape[1] and (prediction != ground_truth[: len(prediction)]).any()
    drawn = TASK.draw_ground_truth(records, record)
    assert drawn.shape[2] == 3 and drawn.shape[1] <= 530
    result = TASK.to_result(output, ClassInfo([*THINGS, *STUFF], palette(5), stuff=3))
    assert sum(one.isthing for one in result.segments) == sum(one['label'] < 2 for one in segments) + 2
    labeled = TASK.labeled_image(result)
    assert [one.label for one in labeled.objects] == [one.label for one in result.segments]
    assert [one.area for one in labeled.objects] == [one.area for one in result.segments]
    assert truth['segments_file'].endswith('200.png')


def test_a_model_without_panoptic_predictions_is_named(configs, data):
    cfg = read_config(configs['mask2former'], data=data)
    one = DATASETS.build(cfg.val_dataloader.dataset)[0]['data_samples']
    with pytest.raises(UserError, match=r'^the model predicts no panoptic segmentation: take one with a panoptic_fus'):
        TASK.to_result(one, ClassInfo(['a'], palette(1)))


def test_ground_truth_that_is_not_loaded_is_explained(configs):
    cfg = read_config(configs['mask2former'], needs_data=False)
    error = AttributeError("'DetDataSample' object has no attribute 'gt_sem_seg'")
    assert 'begin train_dataloader.dataset.pipeline with' in TASK.explain_training_error(error, cfg)
    assert TASK.explain_training_error(AttributeError("no attribute 'x'"), cfg) is None


@pytest.mark.parametrize('name', ['mask2former', 'panoptic_fpn'])
def test_only_the_backbone_is_exported(name, configs):
    with pytest.raises(UserError, match=r'cannot be exported as a whole: .*; --task-output features exports its back'):
        TASK.build_graph(build_model(read_config(configs[name], needs_data=False)), None)
    assert list(TASK.exports) == ['features'] and PANOPTIC


def test_the_semantic_head_is_counted(configs):
    cfg = read_config(configs['panoptic_fpn'], needs_data=False)
    with torch.device('meta'):
        model, image = build_model(cfg).eval(), torch.empty(1, 3, 64, 96)
    ran = []
    model.semantic_head.register_forward_hook(lambda *_: ran.append('semantic'))
    said = TASK.run_counted(model, image)
    assert ran == ['semantic'] and said.startswith('backbone, neck, RPN and semantic head, and the box head on 20')
    assert said.endswith('; not run: the fusion of segments')
