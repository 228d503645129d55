"""Detection: COCO files of a config, the shapes that a detector is tested and counted at, drawn annotations."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convnext_dense.adaptation.shapes import build_part
from convnext_dense.analysis.complexity import count
from convnext_dense.config.read import read_config
from convnext_dense.data.foreign import classes_of, with_seeds
from convnext_dense.engine.building import build_model
from convnext_dense.errors import NoData, UserError
from convnext_dense.export.graphs import Features, Normalization
from convnext_dense.io.coco_format import IGNORE_REGION
from convnext_dense.io.image_size import ImageSize
from convnext_dense.registry import DATASETS
from convnext_dense.results.colors import palette
from convnext_dense.tasks import TrainedClasses, count_classes, own_datasets
from convnext_dense.tasks.detection import DetectionTask
from convnext_dense.tasks.drawn_annotations import draw_annotations
from tests.helpers import coco_files
from tests.helpers.mask_folder import write_mask_folder
from tests.helpers.mask_rcnn import write_mask_rcnn
from tests.helpers.other_heads import DETECTORS, write_head
from tests.helpers.stock_configs import adapted_model

TASK = DetectionTask()
CONFIG = 'configs/det/cascade_convnext_a_coco.py'


def test_masks_for_a_detector_are_answered_with_the_config_or_the_conversion(tmp_path):
    cfg = read_config(CONFIG, needs_data=False)
    root = write_mask_folder(tmp_path / 'my masks')
    with pytest.raises(NoData) as error:
        TASK.point_at(cfg, str(root))
    assert str(error.value) == (
        f'no data at {root}: expected annotations of objects, and it holds images with masks: take a config of a '
        f"segmentor, or make objects of the regions with convnext-dense convert-data '{root}' NEW --to coco"
    )


def test_a_config_is_pointed_at_coco_files_and_read(tmp_path):
    cfg = read_config(CONFIG, needs_data=False)
    coco_files.write(tmp_path, coco_files.content(), 'train')
    file = tmp_path / 'annotations/instances_train2017.json'
    fix = 'hold some images out with --val-split 0.2, or name two COCO files with --data TRAIN.json:IMAGES,VAL.json'
    with pytest.raises(NoData, match=f'^no val annotations at {tmp_path}, beside {file}: {fix}'):
        TASK.point_at(cfg, str(tmp_path))
    coco_files.write(tmp_path, coco_files.content(), 'val')
    TASK.point_at(cfg, str(tmp_path))
    assert cfg.train_dataloader.dataset.annotations != cfg.val_dataloader.dataset.annotations
    assert cfg.test_dataloader.dataset.annotations == cfg.val_dataloader.dataset.annotations
    assert TASK.count_classes(cfg) == 3
    data = TASK.read_data(cfg)
    assert [len(split.images) for split in data.splits] == [4, 4]


def point(tmp_path, val_names: list[str]):
    """A config of a data set whose validation has these categories."""
    data = coco_files.content()
    coco_files.write(tmp_path, data, 'train')
    val = {
        'images': data['images'],
        'categories': [{'id': 10 + place, 'name': name} for place, name in enumerate(val_names)],
        'annotations': [{**data['annotations'][0], 'category_id': 10}],
    }
    coco_files.write(tmp_path, val, 'val', drawn=data)
    cfg = read_config(CONFIG, needs_data=False)
    TASK.point_at(cfg, str(tmp_path))
    return cfg


@pytest.mark.parametrize('names', [['blue', 'red', 'green'], ['green', 'red'], ['blue']])
def test_validation_takes_its_labels_from_the_classes_of_training(tmp_path, names):
    cfg = point(tmp_path, names)
    TASK.join_classes(cfg)
    assert TASK.count_classes(cfg) == 3
    assert 'classes' not in cfg.train_dataloader.dataset
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        dataset = DATASETS.build(dict(loader.dataset))
        assert dataset.metainfo['classes'] == ('red', 'green', 'blue')
        ids = {name: 10 + place for place, name in enumerate(names)}
        assert ids.items() <= dict(zip(*dataset.metainfo.values(), strict=True)).items()
        label = ('red', 'green', 'blue').index(names[0])
        assert [i['bbox_label'] for i in dataset.get_data_info(0)['instances']] == [label]


def test_validation_of_other_classes_is_refused(tmp_path):
    with pytest.raises(UserError, match='val2017 has gray, and lacks green, blue, where train2017 has 3 categories'):
        TASK.join_classes(point(tmp_path, ['red', 'gray']))


def parts(tmp_path, *categories: list[tuple[str, int]]) -> list[dict]:
    """Configs of COCO files in which the one object of an image is of the first category."""
    made = []
    for number, of_file in enumerate(categories):
        data = coco_files.content()
        box = {**data['annotations'][0], 'category_id': of_file[0][1]}
        content = {**data, 'categories': [{'id': i, 'name': n} for n, i in of_file], 'annotations': [box]}
        file, images = coco_files.write(tmp_path / str(number), content, drawn=data)
        pipeline = [dict(type='convnext_dense.LoadImage')]
        made.append(
            dict(type='convnext_dense.CocoDataset', annotations=str(file), images=str(images), pipeline=pipeline)
        )
    return made


def joined(train: list[dict], val: list[dict], wrapper: str = 'ConcatDataset', **options):
    cfg = read_config(CONFIG, needs_data=False)
    cfg.train_dataloader.dataset = dict(type=wrapper, datasets=train, **options)
    cfg.val_dataloader.dataset = cfg.test_dataloader.dataset = dict(type=wrapper, datasets=val, **options)
    TASK.join_classes(cfg)
    return cfg


@pytest.mark.parametrize('wrapper', ['mmengine.ConcatDataset', 'mmdet.ConcatDataset'])
@pytest.mark.parametrize(
    'second', [[('dog', 1), ('cat', 2)], [('dog', 2), ('cat', 1)], [('dog', 90)], [('dog', 5), ('cat', 4)]]
)
def test_all_parts_of_concatenated_data_sets_take_their_labels_from_the_first(tmp_path, wrapper, second):
    first = [('cat', 1), ('dog', 2)]
    one, two, three = parts(tmp_path, first, second, second)
    cfg = joined([one, two], [dict(three), dict(one)], wrapper)
    assert count_classes(TASK, cfg) == 2
    for loader, own in ((cfg.train_dataloader, [0, 1]), (cfg.val_dataloader, [1, 0])):
        dataset = with_seeds(DATASETS.build(loader.dataset))
        assert classes_of(dataset) == ['cat', 'dog']
        assert dataset.metainfo['classes'] == ('cat', 'dog')
        labels = [dataset.get_data_info(place)['instances'][0]['bbox_label'] for place in (0, len(dataset) // 2)]
        assert labels == own


def test_parts_of_other_categories_are_refused_by_file(tmp_path):
    one, two, val = parts(tmp_path, [('cat', 1)], [('cow', 1)], [('cat', 1)])
    with pytest.raises(UserError, match=r'1/annotations/\S+ has cow, and lacks cat, where \S+0/annotations/'):
        joined([one, two], [val])
    one['classes'] = ['cow', 'cat']  # which says what is learned of all parts
    cfg = joined([one, two], [val])
    assert [dataset['classes'] for dataset in own_datasets(cfg)] == [['cow', 'cat']] * 4
    assert count_classes(TASK, cfg) == 2


def test_a_checkpoints_classes_are_those_of_all_parts(tmp_path):
    cfg = read_config(CONFIG, needs_data=False)
    files = parts(tmp_path, [('dog', 3)], [('cat', 4), ('dog', 8)])
    cfg.train_dataloader = cfg.val_dataloader = None
    cfg.test_dataloader.dataset = dict(type='ConcatDataset', datasets=files, ignore_keys='palette')
    TASK.use_classes(cfg, TrainedClasses(['cat', 'dog'], [1, 2]))
    assert cfg.test_dataloader.dataset.ignore_keys == ['palette', 'category_ids']
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    assert [dataset.get_data_info(place)['instances'][0]['bbox_label'] for place in (0, 4)] == [1, 0]


def test_a_detector_is_tested_at_the_largest_landscape_image_and_counted_as_published():
    cfg = read_config(CONFIG, needs_data=False)
    assert TASK.input_shape(cfg) == (800, 1344)  # of 1333 x 800, up to a multiple of the stride
    assert TASK.counted_shape(cfg) == (800, 1280)


def test_annotations_are_drawn_at_their_places_in_the_colors_of_their_classes():
    image = np.full((600, 700, 3), 100, np.uint8)
    instances = [
        {'bbox': [50, 100, 150, 200], 'bbox_label': 1, 'ignore_flag': 0},
        {'bbox': [300, 300, 400, 500], 'bbox_label': 0, 'ignore_flag': 1},
    ]
    drawn = draw_annotations(image, instances, ['cat', 'dog'])
    for label, (x1, y1, x2, y2) in ((1, (50, 100, 150, 200)), (0, (300, 300, 400, 500))):
        assert (drawn[y2 - 1, x1:x2] == palette(2)[label]).all()
        assert (drawn[(y1 + y2) // 2, (x1 + x2) // 2] == 100).all()
    corners = [300, 300, 400, 300, 400, 500, 300, 500]
    masks = [[[50, 100, 150, 100, 150, 200, 50, 200]], [corners]]
    half = draw_annotations(image, [{**instances[0], 'mask': masks[0]}, instances[1]], ['cat', 'dog'])
    assert (half[400, 350] == 100).all() and (half[150, 100] != 100).any()
    masked = draw_annotations(image, [{**i, 'mask': m} for i, m in zip(instances, masks, strict=True)], ['cat', 'dog'])
    assert np.abs(masked[400, 350] - (0.7 * 100 + 0.3 * palette(2)[0])).max() <= 0.5


@pytest.mark.parametrize('name', DETECTORS)
def test_other_detectors_have_no_graph_but_their_features(name, tmp_path):
    with torch.device('meta'):
        model = build_model(read_config(str(write_head(name, tmp_path)), needs_data=False))
    normalization = Normalization(torch.zeros(3), torch.ones(3))
    with pytest.raises(UserError) as error:
        TASK.build_graph(model, normalization)
    assert str(error.value) == (
        f'{type(model).__name__} cannot be exported as instances: only Faster, Mask and Cascade R-CNN are, with an '
        'RPN and RoI heads; --task-output features exports its backbone'
    )
    assert isinstance(TASK.build_graph(model, normalization, 'features'), Features)


def adapted(name: str, device: str = 'meta') -> nn.Module:
    """Build a shipped config's model on a ConvNeXt, in its scope, which is that of the config."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        return build_part(adapted_model(name)[0], device)


def test_a_detector_with_learned_regions_has_no_graph():
    said = TASK.export_obstacle(adapted('mmdet:sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py'), 'instances')
    assert said.startswith('the file would not follow EmbeddingRPNHead, which is no RPNHead')


def test_a_mask_head_that_predicts_otherwise_has_no_graph(tmp_path):
    def obstacle(options: dict | None) -> str | None:
        cfg = read_config(str(write_mask_rcnn(tmp_path)), options, needs_data=False)
        with torch.device('meta'):
            return TASK.export_obstacle(build_model(cfg), 'instances')

    assert obstacle(None) is None
    reason = 'the file would not follow HTCMaskHead, which is no FCNMaskHead or has a forward of its own'
    assert obstacle({'model.roi_head.mask_head.type': 'mmdet.HTCMaskHead'}) == reason


def test_a_detector_without_regions_runs_as_a_whole_when_counted(tmp_path):
    with torch.device('meta'):
        model = build_model(read_config(str(write_head('fcos', tmp_path)), needs_data=False)).eval()
        counted = FlopCounterMode(display=False)
        with torch.no_grad(), counted:
            said = TASK.run_counted(model, torch.empty(1, 3, 64, 96))
    assert said == 'backbone, neck and head; not run: the choice of results (nms), pasting of masks'
    # the last layers of the head: 3 x 3 over 16 channels, to 80 classes, 4 sides and 1 centerness, at strides 8 to 32
    cells = 8 * 12 + 4 * 6 + 2 * 3
    of_last = [
        counted.get_flop_counts()[f'FCOS.bbox_head.{name}'] for name in ('conv_cls', 'conv_reg', 'conv_centerness')
    ]
    assert [sum(one.values()) // 2 for one in of_last] == [9 * 16 * out * cells for out in (80, 4, 1)]


COUNTED = {
    'mmdet:boxinst/boxinst_r50_fpn_ms-90k_coco.py': (
        'backbone, neck and box head; not run: the mask head, which takes the objects that are found',
        'bbox_head',
    ),
    'mmdet:double_heads/dh-faster-rcnn_r50_fpn_1x_coco.py': (
        'backbone, neck and RPN, and the box head on 1000 regions; not run: the choice of regions (nms), RoIAlign, '
        'pasting of masks',
        'roi_head.bbox_head',
    ),
    'mmdet:sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py': (
        'backbone, neck, and the box heads of all stages on 100 learned regions',
        'roi_head.bbox_head.5',
    ),
    'mmdet:cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py': (
        'backbone, neck and RPN, and the box head on 300 regions; not run: the choice of regions (nms), RoIAlign, '
        'pasting of masks',
        'rpn_head.stages.1',
    ),
}


@pytest.mark.parametrize('name', COUNTED)
def test_detectors_whose_heads_have_no_plain_forward_are_counted(name):
    said, part = COUNTED[name]
    needs_values = 'cascade' in name or 'sparse' in name
    counted = count(adapted(name, 'cpu' if needs_values else 'meta'), ImageSize(64, 96), TASK.run_counted)
    assert counted.rule == said
    assert counted.by_module[part].macs > 0


@pytest.mark.parametrize('name', ['sparse_rcnn/sparse-rcnn_r50_fpn_1x', 'double_heads/dh-faster-rcnn_r50_fpn_1x'])
def test_heads_that_take_more_than_regions_are_not_tried_before_training(name):
    model = adapted(f'mmdet:{name}_coco.py')
    features = [torch.empty(1, 256, 64 >> level, 96 >> level, device='meta') for level in range(5)]
    tried = [part.key for part in TASK.head_parts(model, features)]
    assert 'model.roi_head.bbox_head' not in ' '.join(tried)


def test_errors_of_heads_that_lack_ground_truth_are_explained():
    pipeline = [dict(type='convnext_dense.LoadImage'), dict(type='mmdet.LoadAnnotations', with_mask=False)]
    cfg = Config(dict(train_dataloader=dict(dataset=dict(pipeline=pipeline))))
    masks = TASK.explain_training_error(AttributeError("'InstanceData' object has no attribute 'masks'"), cfg)
    assert 'set with_mask=True in mmdet.LoadAnnotations' in masks
    assert masks.endswith(', or take a config for boxes, such as configs/det/cascade_rcnn_convnext_t_coco.py')
    stuff = TASK.explain_training_error(AttributeError("'DetDataSample' object has no attribute 'gt_sem_seg'"), cfg)
    assert 'leave out its semantic_head' in stuff
    assert TASK.explain_training_error(AttributeError("'NoneType' object has no attribute 'shape'"), cfg) is None


def test_a_check_notes_that_boxes_alone_will_be_learned(tmp_path):
    content = coco_files.content()
    for annotation in content['annotations']:
        del annotation['segmentation']
    for split in ('train', 'val'):
        coco_files.write(tmp_path / 'data', content, split)

    def findings(config: str) -> list[tuple[str, str, str]]:
        cfg = read_config(config, needs_data=False)
        TASK.point_at(cfg, str(tmp_path / 'data'))
        return [tuple(finding[:4]) for finding in TASK.read_data(cfg).findings if 'mask' in finding.message]

    said = 'boxes only, since the training data have no masks: mask head, loading of masks and mask AP are left out'
    assert findings(CONFIG) == [('note', 'train', said, '')]
    assert findings('configs/det/faster_rcnn_convnext_a_coco.py') == []
    fix = 'annotate them, or take a config for boxes, such as configs/det/cascade_rcnn_convnext_t_coco.py'
    (finding,) = findings(str(write_head('mask2former', tmp_path)))
    assert (finding[0], finding[3]) == ('problem', fix) and 'has no masks, which the pipeline loads' in finding[2]


def test_test_data_are_read_by_the_rules_of_validation():
    def settled(val, test):
        parts = {
            f'{split}_dataloader': dict(dataset=dict(type='convnext_dense.CocoDataset', images='', **of_split))
            for split, of_split in (('val', val), ('test', test))
        }
        cfg = Config(dict(train_dataloader=None, **parts))
        TASK.settle(cfg)
        dataset = cfg.test_dataloader.dataset
        return dataset.get('box_format'), dataset.get('most_lost')

    rules = dict(box_format='xyxy', most_lost=0.5)
    assert settled(dict(rules, annotations='a'), dict(annotations='a')) == ('xyxy', 0.5)
    assert settled(dict(rules, annotations='a'), dict(annotations='a', box_format='xywh')) == ('xywh', 0.5)
    assert settled(dict(rules, annotations='a'), dict(annotations='b')) == (None, None)  # of another origin
    assert settled(dict(annotations='a'), dict(annotations='a', most_lost=0.2)) == (None, 0.2)


def test_a_test_pipeline_without_a_scale_has_the_published_shape(tmp_path):
    cfg = read_config(CONFIG, needs_data=False)
    cfg.test_dataloader.dataset.pipeline[1] = dict(type='mmdet.FixShapeResize', width=640, height=480)
    assert TASK.input_shape(cfg) == (800, 1280)


def test_an_image_that_is_padded_in_testing_enters_with_the_pads_size():
    """SSD's last levels need images that are no smaller."""
    cfg = read_config(CONFIG, needs_data=False)
    cfg.test_dataloader.dataset.pipeline[1].scale = (320, 192)
    assert TASK.input_shape(cfg) == (192, 320)
    cfg.test_dataloader.dataset.pipeline.insert(2, dict(type='mmdet.Pad', size=(330, 300)))  # width first
    assert TASK.input_shape(cfg) == (320, 352)


def test_regions_of_ignored_classes_are_drawn_gray():
    region = dict(bbox=[10, 10, 50, 50], bbox_label=IGNORE_REGION, ignore_flag=1, area=1600.0)
    black = np.zeros((100, 100, 3), np.uint8)
    drawn = draw_annotations(black, [region], ['cat'])
    assert np.ptp(drawn, axis=2).max() < 10 < drawn.max()
    assert np.ptp(draw_annotations(black, [{**region, 'bbox_label': 0}], ['cat']), axis=2).max() > 100
