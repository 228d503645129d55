"""Chosen classes of COCO files: the same tensors and numbers as from files that were changed by hand."""

import json
import logging

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from convnext_dense.data.class_choice import ClassChoice, Merge, as_choice
from convnext_dense.data.detection.check import read_coco_files
from convnext_dense.data.detection.chosen import choose_annotations
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.errors import UserError
from convnext_dense.io.coco_format import IGNORE_REGION
from tests.helpers import coco_files
from tests.helpers.small_files import write_files

PIPELINE = [
    dict(type='convnext_dense.LoadImage'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
    dict(type='mmdet.Resize', scale=(120, 90), keep_ratio=True),
    dict(type='mmdet.PackDetInputs', meta_keys=('img_path', 'img_id', 'instances')),
]
WARM = {'merge': [{'classes': ['red', 'blue'], 'into': 'warm'}]}


@pytest.fixture
def data() -> dict:
    return coco_files.content()


@pytest.fixture
def lines():
    told: list[str] = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: told.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield told
    logger.removeHandler(handler)


def dataset(root, data, **options) -> CocoDataset:
    annotations, images = coco_files.write(root, data, drawn=coco_files.content())
    return CocoDataset(str(annotations), str(images), PIPELINE, **options)


def by_hand(data: dict, names: dict[str, str | None], categories: dict[str, int]) -> dict:
    """The file with other categories: the new name of each old one, without those that have none."""
    old = {category['id']: category['name'] for category in data['categories']}
    annotations = [
        {**a, 'category_id': categories[names[old[a['category_id']]]]}
        for a in data['annotations']
        if names.get(old[a['category_id']])
    ]
    listed = [{'id': number, 'name': name} for name, number in categories.items()]
    return {**data, 'annotations': annotations, 'categories': listed}


def check_equal(one: CocoDataset, other: CocoDataset) -> None:
    assert len(one) == len(other) > 0
    for index in range(len(one)):
        a, b = one[index], other[index]
        torch.testing.assert_close(a['inputs'], b['inputs'], rtol=0, atol=0)
        for kind in ('gt_instances', 'ignored_instances'):
            x, y = getattr(a['data_samples'], kind), getattr(b['data_samples'], kind)
            torch.testing.assert_close(x.bboxes.tensor, y.bboxes.tensor, rtol=0, atol=0)
            assert x.labels.tolist() == y.labels.tolist()
            assert np.array_equal(x.masks.masks, y.masks.masks)
        assert a['data_samples'].instances == b['data_samples'].instances


@pytest.mark.parametrize('test_mode', [False, True])
@pytest.mark.parametrize(
    ('choice', 'names', 'categories'),
    [
        ({'classes': ['blue', 'red']}, {'red': 'red', 'blue': 'blue'}, {'blue': 0, 'red': 7}),
        ({'classes': ['green']}, {'green': 'green'}, {'green': 2}),
        (WARM, {'red': 'warm', 'blue': 'warm', 'green': 'green'}, {'warm': 8, 'green': 2}),
        (
            {'classes': ['red', 'green'], 'merge': [{'classes': ['blue'], 'into': 'green'}]},
            {'red': 'red', 'blue': 'green', 'green': 'green'},
            {'red': 7, 'green': 2},
        ),
        ({'classes': ['warm'], **WARM}, {'red': 'warm', 'blue': 'warm'}, {'warm': 8}),
    ],
)
def test_samples_are_those_of_a_file_changed_by_hand(tmp_path, data, choice, names, categories, test_mode):
    options = dict(test_mode=test_mode, filter_cfg=dict(filter_empty_gt=True))
    chosen = dataset(tmp_path / 'a', data, choice=choice, **options)
    changed = dataset(tmp_path / 'b', by_hand(data, names, categories), **options)
    check_equal(chosen, changed)
    ids = tuple(categories.values())
    assert chosen.metainfo == {
        'classes': tuple(categories),
        'category_ids': ids,
        'choice': as_choice(choice).as_config(),
    }
    assert changed.metainfo['category_ids'] == ids
    assert chosen.class_counts.tolist() == changed.class_counts.tolist()


def test_ignored_classes_are_ignore_regions_of_all_classes(tmp_path, data):
    learned = dataset(tmp_path, data, choice={'ignore': ['red']})
    assert learned.metainfo['classes'] == ('green', 'blue')
    ignored = learned[0]['data_samples'].ignored_instances
    assert ignored.labels.tolist() == [IGNORE_REGION]
    assert (ignored.bboxes.tensor / 1.5).tolist() == [[5, 6, 25, 36]]
    assert learned[0]['data_samples'].gt_instances.labels.tolist() == [0, 1]
    assert learned.ignore_regions == 2
    tested = dataset(tmp_path, data, choice={'ignore': ['red']}, test_mode=True)
    regions = [i for n in range(4) for i in tested.get_data_info(n)['instances'] if i['bbox_label'] == IGNORE_REGION]
    assert [(i['bbox'], i['ignore_flag']) for i in regions] == [([5, 6, 25, 36], 1), ([50, 30, 62, 54], 1)]
    assert tested.class_counts.tolist() == [2, 2]


def test_what_is_left_out_is_not_checked_and_counts_for_nothing(tmp_path, data):
    """Faults of classes that are not chosen neither stop a run nor dilute those of the chosen ones."""
    data['annotations'][0]['bbox'], data['annotations'][0]['segmentation'] = [1, 2], []  # of 2 red ones
    with pytest.raises(UserError, match=r'1 of 2 annotations .50%. are dropped or ignored'):
        dataset(tmp_path, data, choice={'classes': ['red']})
    assert dataset(tmp_path, data, choice={'classes': ['green', 'blue']}).class_counts.tolist() == [1, 2]


def test_one_line_says_what_became_of_all_classes(tmp_path, data, lines):
    choice = {'classes': ['warm'], 'merge': [{'classes': ['red'], 'into': 'warm'}], 'ignore': ['blue']}
    assert len(dataset(tmp_path, data, choice=choice, test_mode=True)) == 4
    expected = (
        "train2017: 1 class of 3 by choice (warm): 2 annotations of red are 'warm'; 2 annotations of 1 class that is "
        'not chosen (green) are left out, so that they are background; 2 annotations of 1 class that is ignored '
        "(blue) become ignore regions; category id in results: 'warm' 8"
    )
    assert expected in lines
    assert (
        "train2017: 2 annotations ignored, with their areas: of the ignored class 'blue' (annotation ids 3, 6)"
        in lines
    )


def test_names_that_the_file_lacks_are_refused_unless_the_classes_of_all_parts_are_known(tmp_path, data):
    with pytest.raises(UserError, match=r"names 'rde' \(did you mean 'red'\?\): there are 3 classes in .*2017.json: "):
        dataset(tmp_path, data, choice={'classes': ['rde', 'blue']})
    part = dataset(tmp_path, data, choice={'classes': ['sky', 'blue']}, classes=['sky', 'blue'], category_ids=[2, 0])
    assert part.metainfo['classes'] == ('sky', 'blue')
    assert part.metainfo['category_ids'] == (1, 0)  # 2 is that of a class which is not chosen
    assert part.class_counts.tolist() == [0, 2]


def test_nothing_chosen_is_nothing_to_learn(tmp_path, data, lines):
    data['annotations'] = [a for a in data['annotations'] if a['category_id'] != 0]
    said = r'none of the 4 annotations in .* is an object of a chosen class, so that there is nothing to learn: choose'
    for choice in ({'classes': ['blue']}, {'classes': ['blue'], 'ignore': ['red', 'green']}):
        with pytest.raises(UserError, match=said):
            dataset(tmp_path, data, choice=choice)
        lines.clear()
        assert len(dataset(tmp_path, data, choice=choice, test_mode=True)) == 4
        assert any(
            line.endswith('is an object of a chosen class, so that there is nothing to measure') for line in lines
        )


def test_a_new_class_has_an_id_of_its_own_and_an_ignored_one_keeps_its_own():
    annotations = [{'id': n, 'category_id': number} for n, number in enumerate([7, 2, 0, 7], 1)]
    choice = ClassChoice((), (Merge(('red',), 'warm'),), ('blue',))
    chosen = choose_annotations(choice, ['red', 'green', 'blue'], [7, 2, 0], annotations)
    assert (chosen.names, chosen.category_ids, chosen.other_ids) == (('warm', 'green'), (8, 2), (7, 0))
    assert [a['category_id'] for a in chosen.annotations] == [8, 2, 0, 8]
    assert chosen.ignored == {3: "of the ignored class 'blue'"}


def test_a_check_counts_and_lists_as_training_does(tmp_path, data):
    choice = {'classes': ['blue', 'warm'], 'merge': [{'classes': ['red'], 'into': 'warm'}], 'ignore': ['green']}
    file, folder = coco_files.write(tmp_path, data)
    source = dict(annotations=str(file), images=str(folder), choice=choice)
    found = read_coco_files({'train': {**source, 'pipeline': PIPELINE}, 'val': {**source, 'test_mode': True}})
    assert found.classes == ['blue', 'warm']
    for split in found.splits:
        labels = [label for i in split.images for label, n in found.count_classes(i, None).items() for _ in range(n)]
        assert np.bincount(labels).tolist() == [2, 2]
    learned = dataset(tmp_path / 'b', data, choice=choice)
    assert learned.class_counts.tolist() == [2, 2]
    assert [f.message for f in found.findings if f.message.startswith('2 classes of 3 by choice')]
    labels = [i['bbox_label'] for image in found.splits[1].images for i in image.instances]
    assert labels.count(IGNORE_REGION) == 2


@pytest.mark.parametrize('zero', [[1, 1, 10, 0], [1, 1, 'x', 4], [500, 500, 9, 9]])
def test_broken_annotations_of_ignored_classes_are_not_lost(tmp_path, zero):
    boxes = [[1, 1, 10, 10], zero, [3, 1, 10, 10]]
    annotations = [
        {'id': number, 'image_id': 1, 'category_id': 2, 'bbox': box, 'iscrowd': 0}
        for number, box in enumerate(boxes, 1)
    ]
    file = tmp_path / 'val.json'
    images = [{'id': 1, 'file_name': 'a.png', 'height': 20, 'width': 40}]
    categories = [{'id': 1, 'name': 'cat'}, {'id': 2, 'name': 'dog'}]
    write_files(tmp_path, {'a.png': None})
    for with_cat in (False, True):
        cat = [{**annotations[0], 'id': 9, 'category_id': 1}] if with_cat else []
        content = {'images': images, 'categories': categories, 'annotations': annotations + cat}
        file.write_text(json.dumps(content))
        data = CocoDataset(str(file), str(tmp_path), [], test_mode=True, choice={'ignore': ['dog']}, most_lost=0)
        assert [len(data), data.class_counts.tolist()] == [1, [len(cat)]]
