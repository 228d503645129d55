"""The data set of panoptic files."""

import logging
import pickle

import numpy as np
import pytest
from torch.utils.data import DataLoader

from convnext_dense.data.dense import collate_dense
from convnext_dense.data.panoptic import dataset as dataset_module
from convnext_dense.data.panoptic.dataset import PanopticDataset
from convnext_dense.data.sampler import AspectRatioBatches, SeededSampler
from convnext_dense.errors import UserError
from convnext_dense.io.panoptic import read_segments
from tests.helpers.panoptic_files import (
    CAT,
    CLASSES,
    CROWD,
    DOG,
    GRASS,
    SIZE,
    SKY,
    change,
    draw_ids,
    files_of,
    settings,
    write_panoptic_set,
)

PACKED = [
    dict(type='convnext_dense.LoadImage'),
    dict(type='convnext_dense.LoadPanoptic'),
    dict(type='mmdet.RandomFlip', prob=0.5),
    dict(type='mmdet.RandomCrop', crop_size=(16, 16), allow_negative_crop=True),
    dict(type='mmdet.PackDetInputs', meta_keys=('img_id', 'ori_shape', 'flip')),
]
TESTED = [
    dict(type='convnext_dense.LoadImage'),
    dict(type='mmdet.PackDetInputs', meta_keys=('img_id', 'ori_shape', 'panoptic')),
]


@pytest.fixture
def lines(monkeypatch):
    """Levels and lines of the log."""
    said: list[tuple[str, str]] = []

    def note(line: str, logger: str, level: int = logging.INFO) -> None:
        said.append((logging.getLevelName(level), line))

    monkeypatch.setattr(dataset_module, 'print_log', note)
    return lambda: said


def test_items_name_the_files_and_segments_of_an_image(root):
    dataset = PanopticDataset(**settings(root))
    files = files_of(root)
    assert [dataset.get_data_info(index)['img_id'] for index in range(len(dataset))] == [10, 20]
    info = dataset.get_data_info(1)
    assert info['img_path'] == str(files.images / '002.jpg') and (info['height'], info['width']) == SIZE
    assert info['panoptic']['segments_file'] == str(files.segments / '002.png')
    labels = {one['id']: (one['label'], one['iscrowd']) for one in info['panoptic']['segments']}
    assert labels == {CAT: (0, 0), DOG: (1, 0), CROWD: (1, 1), SKY: (2, 0), GRASS: (3, 0)}
    assert dataset.metainfo == {
        'classes': tuple(CLASSES),
        'thing_classes': ('cat', 'dog'),
        'stuff_classes': ('sky', 'grass'),
        'category_ids': (3, 9, 7, 12),
    }
    assert dataset.class_counts.tolist() == [2, 2, 2, 2] and dataset.get_cat_ids(0) == [2, 0, 3, 1]


def test_ground_truth_for_evaluation_travels_in_the_data_samples(root):
    dataset = PanopticDataset(**settings(root, 'val', pipeline=TESTED, test_mode=True))
    truth = pickle.loads(pickle.dumps(dataset[0]))['data_samples'].panoptic
    ids, segments = read_segments(truth)
    np.testing.assert_array_equal(ids, draw_ids(1))
    assert {one['id']: one['area'] for one in segments} == {
        number: int((draw_ids(1) == number).sum()) for number in (CAT, DOG, CROWD, SKY, GRASS)
    }


def test_batches_are_the_same_with_workers_and_after_a_restart(tmp_path):
    root = write_panoptic_set(tmp_path / 'many', ('train',), images=6)

    def batches(workers: int, done: int = 0) -> list:
        dataset = PanopticDataset(**settings(root, pipeline=PACKED))
        sampler = SeededSampler(dataset, shuffle=True, seed=3)
        sampler.start_after(done)
        loader = DataLoader(
            dataset,
            batch_sampler=AspectRatioBatches(sampler, 2),
            num_workers=workers,
            collate_fn=collate_dense,
        )
        return [
            [
                (path, image.numpy(), sample.gt_instances.masks.masks, sample.gt_sem_seg.sem_seg.numpy(), sample.flip)
                for path, image, sample in zip(batch['paths'], batch['inputs'], batch['data_samples'], strict=True)
            ]
            for batch in loader
        ]

    whole = batches(0)
    assert len(whole) == 3 and len({one[0] for batch in whole for one in batch}) == 6
    for again, expected in ((batches(2), whole), (batches(0, done=2), whole[1:])):
        for one, other in zip(again, expected, strict=True):
            for own, wanted in zip(one, other, strict=True):
                assert own[0] == wanted[0] and own[4] == wanted[4]
                for left, right in zip(own[1:4], wanted[1:4], strict=True):
                    np.testing.assert_array_equal(left, right)


def test_a_choice_of_classes_changes_labels_and_leaves_the_rest_unlabeled(root, lines):
    choice = dict(classes=['grass', 'dog'], merge=[dict(classes=['sky'], into='grass')])
    dataset = PanopticDataset(**settings(root, choice=choice, pipeline=PACKED[:2]))
    assert dataset.metainfo['classes'] == ('dog', 'grass') and dataset.metainfo['choice'] == choice
    drawn, found = draw_ids(1), dataset[0]
    expected = np.full(SIZE, 255)
    expected[drawn == DOG], expected[(drawn == SKY) | (drawn == GRASS)] = 0, 1
    np.testing.assert_array_equal(found['gt_seg_map'], expected)
    assert found['gt_bboxes_labels'].tolist() == [0]
    ids, segments = read_segments(dataset.get_data_info(0)['panoptic'])
    assert set(np.unique(ids)) == {0, SKY, DOG, CROWD} and {one['id'] for one in segments} == {SKY, DOG, CROWD}
    assert any('2 segments of 1 class that is not chosen (cat) are unlabeled' in line for _, line in lines())
    with pytest.raises(UserError, match=r"--classes names 'grasss' .did you mean 'grass'"):
        PanopticDataset(**settings(root, choice=dict(classes=['grasss'])))


def test_classes_of_a_checkpoint_give_the_labels(root, lines):
    classes, things = ['dog', 'horse', 'cat', 'grass', 'sky'], ['dog', 'horse', 'cat']
    dataset = PanopticDataset(**settings(root, classes=classes, thing_classes=things, category_ids=[9, 1, 3, 12, 7]))
    assert dataset.metainfo['category_ids'] == (9, 1, 3, 12, 7) and dataset.class_counts.tolist() == [2, 0, 2, 2, 2]
    assert dataset.get_cat_ids(0) == [4, 2, 3, 0] and dataset.get_data_info(0)['panoptic']['things'] == 3
    assert ('INFO', 'panoptic_train2017: 1 class not in the file: horse') in lines()


def test_images_that_are_left_out_are_counted(root, lines):
    def edit(content):
        content['annotations'][0]['segments_info'] = content['annotations'][0]['segments_info'][:1]

    change(root, edit)
    dataset = PanopticDataset(**settings(root, filter_cfg=dict(filter_empty_gt=True, min_size=8)))
    assert [dataset.get_data_info(index)['img_id'] for index in range(len(dataset))] == [20]
    said = '1 of 2 images are used; left out are 1 without things, 0 with a side of less than 8 pixels'
    assert ('INFO', f'panoptic_train2017: {said}') in lines()
    assert dataset.class_counts.tolist() == [1, 1, 1, 1]
    assert len(PanopticDataset(**settings(root, filter_cfg=dict(filter_empty_gt=True), test_mode=True))) == 2
    with pytest.raises(UserError, match='nothing to learn from: panoptic_train2017: 0 of 2 images are used'):
        PanopticDataset(**settings(root, filter_cfg=dict(min_size=50)))
    thin = settings(root, least_side=500, pipeline=[dict(type='mmdet.Resize', scale=(60, 40), keep_ratio=True)])
    with pytest.raises(UserError, match=r'nothing to learn from: .*2 images too thin for the anchors of the model'):
        PanopticDataset(**thin)


def test_crowds_alone_are_nothing_to_learn(root, lines):
    def edit(content):
        for one in content['annotations']:
            one['segments_info'] = [{**segment, 'iscrowd': 1} for segment in one['segments_info']]

    change(root, edit)
    with pytest.raises(UserError, match='has no segment of a class but crowds, so that there is nothing to learn'):
        PanopticDataset(**settings(root))
    assert len(PanopticDataset(**settings(root, test_mode=True))) == 2
    assert any(level == 'WARNING' and 'nothing to measure' in line for level, line in lines())


def test_a_part_of_the_images_and_what_is_missing_are_said(root, lines):
    change(root, lambda content: content['annotations'][0]['segments_info'][0].pop('area'))
    parts = [PanopticDataset(**settings(root, subset=dict(share=0.5, part=part))) for part in ('train', 'val')]
    paths = [part.get_data_info(0)['img_path'] for part in parts]
    assert [len(part) for part in parts] == [1, 1] and len(set(paths)) == 2
    assert parts[0].kept_split.line.startswith('split: 1 image for training, 1 for validation')
    line = f'1 segment without an area, counted in the PNG file (001.jpg: {SKY})'
    assert ('INFO', f'panoptic_train2017: {line}') in lines()


def test_an_unreadable_image_stops_or_is_skipped(root):
    (root / 'train2017/001.jpg').write_bytes(b'x')
    with pytest.raises(UserError, match=r'bad image .*001.jpg .not an image.: fix or remove it, or skip it with --on'):
        PanopticDataset(**settings(root, pipeline=PACKED))[0]
    skipping = PanopticDataset(**settings(root, pipeline=PACKED, on_bad_image='skip'))
    assert skipping[0]['path'].endswith('002.jpg') and skipping[0]['skipped'][0].endswith('001.jpg')
    tested = PanopticDataset(**settings(root, pipeline=TESTED, on_bad_image='skip', test_mode=True))
    assert tested[0]['inputs'] is None
