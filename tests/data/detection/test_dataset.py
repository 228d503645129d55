"""COCO files as a data set: what mmdet's pipeline makes of them, what is left out, what is said."""

import logging

import numpy as np
import pytest
import torch
from mmengine.dataset import ClassBalancedDataset
from mmengine.logging import MMLogger
from torch.utils.data import DataLoader

from convnext_dense.data import SeededSampler
from convnext_dense.data.dense import collate_dense
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.sampler import AspectRatioBatches
from convnext_dense.engine.hooks.data_check import describe_dataset
from convnext_dense.errors import UserError
from convnext_dense.io.coco_format import IGNORE_REGION, UNMASKED
from tests.helpers import coco_files
from tests.helpers.coco_files import COLORS, HEIGHT, WIDTH

LOAD = [
    dict(type='convnext_dense.LoadImage'),
    dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True),
]
PACK = dict(type='mmdet.PackDetInputs')


def resize(*scales: tuple[int, int]) -> dict:
    return dict(type='RandomChoiceResize', scales=list(scales), resize_type='mmdet.Resize', keep_ratio=True)


# The augmentation of DETR, which the published recipes use, at a size of its own.
DETR = dict(
    type='RandomChoice',
    transforms=[
        [resize((160, 400), (180, 400), (200, 400))],
        [
            resize((120, 900), (140, 900)),
            dict(type='mmdet.RandomCrop', crop_type='absolute_range', crop_size=(90, 130), allow_negative_crop=True),
            resize((160, 400), (180, 400), (200, 400)),
        ],
    ],
)


@pytest.fixture
def data() -> dict:
    return coco_files.content()


@pytest.fixture
def lines():
    """What mmengine's logger is told."""
    told: list[str] = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: told.append(f'{record.levelname} {record.getMessage()}')
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield told
    logger.removeHandler(handler)


def dataset(root, data, transforms=(), load=LOAD, pack=PACK, drawn=None, **options) -> CocoDataset:
    annotations, images = coco_files.write(root, data, drawn=drawn)
    return CocoDataset(str(annotations), str(images), [*load, *transforms, pack], **options)


def shows(sample: dict, label: int) -> np.ndarray:
    """The pixels of a sample that wear the color of a class, bool (H, W)."""
    red, green, blue = list(COLORS.values())[label]
    color = torch.tensor([blue, green, red])[:, None, None]
    return ((sample['inputs'].int() - color).abs().amax(0) < 60).numpy()


# ------------------------------------------------------------------ messages


def test_too_few_masks_name_what_reads_them_and_the_options_without(tmp_path, data):
    for annotation in data['annotations'][1:3]:
        annotation['segmentation'] = []
    load = [LOAD[0], dict(type='mmdet.RandomFlip', prob=0.5), LOAD[1]]
    with pytest.raises(UserError) as error:
        dataset(tmp_path, data, load=load)
    message = str(error.value)
    assert '2 of 6 annotations (33%)' in message
    assert 'to learn boxes alone, since the pipeline loads masks, give --cfg-options boxes_only=True; ' in message
    assert ' '.join(f'{split}_dataloader.dataset.most_lost=0.34' for split in ('train', 'val', 'test')) in message
    dataset(tmp_path, data, load=load, most_lost=0.34)  # as named
    dataset(tmp_path, data, load=[LOAD[0], dict(LOAD[1], with_mask=False)])


def test_a_class_without_an_object_to_learn_is_named(tmp_path, data):
    data['annotations'][1]['segmentation'] = []  # the only green one but a crowd
    sets = dataset(tmp_path, data, most_lost=0.2)
    assert sets.class_counts.tolist() == [2, 0, 2]
    said = describe_dataset(sets)
    assert said.endswith('0 (green) to 2 (red) objects to learn in the file; without an example: green')
    tested = dataset(tmp_path, data, test_mode=True, most_lost=0.2)
    assert tested.class_counts.tolist() == [2, 2, 2]
    assert describe_dataset(tested).endswith('3 classes, each of 2 annotations in the file')


# ------------------------------------------------------------------ samples


def test_samples_as_mmdet_takes_them(tmp_path, data):
    sets = dataset(tmp_path, data)
    assert len(sets) == 4
    assert sets.metainfo == {'classes': ('red', 'green', 'blue'), 'category_ids': (7, 2, 0)}
    sample = sets[0]
    meta, ground_truth = sample['data_samples'].metainfo, sample['data_samples'].gt_instances
    assert sample['inputs'].shape == (3, HEIGHT, WIDTH)
    assert (meta['img_id'], meta['ori_shape'], meta['img_shape']) == (0, (HEIGHT, WIDTH), (HEIGHT, WIDTH))
    assert meta['img_path'] == sample['path'] == str(tmp_path / 'train2017' / '000.png')
    assert ground_truth.labels.tolist() == [0, 1, 2]
    assert ground_truth.bboxes.tensor.tolist() == [[5, 6, 25, 36], [40, 10, 65, 22], [30, 40, 70, 55]]
    for mask, label in zip(ground_truth.masks.masks, ground_truth.labels.tolist(), strict=True):
        assert (mask == shows(sample, label)).all()


def test_crowds_are_ignored_with_their_masks(tmp_path, data):
    sample = dataset(tmp_path, data)[1]
    ground_truth, ignored = sample['data_samples'].gt_instances, sample['data_samples'].ignored_instances
    assert ground_truth.labels.tolist() == [0]
    assert ignored.labels.tolist() == [1]
    assert ignored.bboxes.tensor.tolist() == [[2, 3, 32, 23]]
    assert (ignored.masks.masks[0] == shows(sample, 1)).all()


def test_an_image_without_ground_truth(tmp_path, data):
    ground_truth = dataset(tmp_path, data)[3]['data_samples'].gt_instances
    assert ground_truth.bboxes.tensor.shape == (0, 4)
    assert len(ground_truth.masks) == 0


@pytest.mark.parametrize(
    'transforms',
    [
        [dict(type='mmdet.RandomFlip', prob=0.5)],
        [resize((120, 200), (90, 200))],
        [DETR],
        [dict(type='mmdet.RandomFlip', prob=0.5), DETR],
    ],
    ids=['flip', 'resize', 'DETR', 'flip and DETR'],
)
def test_boxes_and_masks_follow_the_image(tmp_path, data, transforms):
    sets = dataset(tmp_path, data, transforms)
    flips, looked_at = set(), 0
    for seed in range(40):
        sample = sets[seed % 3, seed]
        flips.add(sample['data_samples'].get('flip'))
        for ground_truth in (sample['data_samples'].gt_instances, sample['data_samples'].ignored_instances):
            boxes = ground_truth.bboxes.tensor.tolist()
            for box, mask, label in zip(boxes, ground_truth.masks.masks, ground_truth.labels.tolist(), strict=True):
                seen = shows(sample, label)
                rows, cols = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
                if len(rows) < 8 or len(cols) < 8:
                    continue  # the border of the crop left a sliver
                looked_at += 1
                around = [cols[0], rows[0], cols[-1] + 1, rows[-1] + 1]
                assert np.abs(np.array(box) - around).max() < 4  # blurred by up to 3 times
                assert (seen & (mask > 0)).sum() > 0.7 * (seen | (mask > 0)).sum()
    assert looked_at > 50
    assert len(flips) == 2 or transforms[0]['type'] != 'mmdet.RandomFlip'


def test_augmentation_follows_the_seed_alone(tmp_path, data):
    sets = dataset(tmp_path, data, [dict(type='mmdet.RandomFlip', prob=0.5), DETR])
    first = sets[0, 5]
    np.random.rand(100)
    second = sets[0, 5]
    assert torch.equal(first['inputs'], second['inputs'])
    boxes = [s['data_samples'].gt_instances.bboxes.tensor for s in (first, second)]
    assert torch.equal(*boxes)
    assert len({tuple(sets[0, seed]['inputs'].shape) for seed in range(12)}) > 3


def test_evaluation_gets_the_ground_truth_in_original_pixels(tmp_path, data):
    pack = dict(type='mmdet.PackDetInputs', meta_keys=('img_id', 'ori_shape', 'instances'))
    sets = dataset(tmp_path, data, [resize((160, 400))], load=LOAD[:1], pack=pack, test_mode=True)
    sample = sets[1]
    assert sample['inputs'].shape[1:] == (160, 213)
    assert sample['data_samples'].ori_shape == (HEIGHT, WIDTH)
    masks = [data['annotations'][i]['segmentation'] for i in (3, 4)]
    assert sample['data_samples'].instances == [
        {'bbox': [2, 3, 32, 23], 'bbox_label': 1, 'ignore_flag': 1, 'area': 600, 'mask': masks[0]},
        {'bbox': [50, 30, 62, 54], 'bbox_label': 0, 'ignore_flag': 0, 'area': 288, 'mask': masks[1]},
    ]


# ------------------------------------------------------------------ what is left out


def test_images_left_out_of_training_are_counted(tmp_path, data, lines):
    data['images'].append(coco_files.image(10, 200, 31))
    data['annotations'].append(coco_files.annotation(7, 10, 'red', [1, 1, 9, 9], width=200, height=31))
    sets = dataset(tmp_path, data, filter_cfg=dict(filter_empty_gt=True, min_size=32))
    assert [sets.get_data_info(i)['img_id'] for i in range(len(sets))] == [0, 1, 4]
    assert lines == [
        'INFO train2017: 3 of 5 images are used; left out are 1 without annotations, '
        '1 with a side of less than 32 pixels'
    ]
    assert len(dataset(tmp_path, data, filter_cfg=dict(min_size=32))) == 4
    assert len(dataset(tmp_path, data)) == 5


def test_evaluation_leaves_nothing_out(tmp_path, data, lines):
    data['annotations'][0].update(bbox=[5, 6, 0.5, 30], segmentation=[[5, 6, 5.5, 6, 5.5, 36]])
    options = dict(filter_cfg=dict(filter_empty_gt=True, min_size=1000), test_mode=True)
    sets = dataset(tmp_path, data, drawn=coco_files.content(), **options)
    assert len(sets) == 4
    assert len(sets.get_data_info(0)['instances']) == 3
    assert lines == []


def test_nothing_left_is_an_error(tmp_path, data):
    with pytest.raises(UserError, match='nothing to learn from: train2017: 0 of 4 images'):
        dataset(tmp_path, data, filter_cfg=dict(min_size=1000))


def test_boxes_thinner_than_a_pixel_are_not_learned(tmp_path, data, lines):
    data['annotations'][0].update(bbox=[5, 6, 0.99, 30], segmentation=[[5, 6, 5.99, 6, 5.99, 36]])
    data['annotations'][1].update(bbox=[5, 6, 20, 1], segmentation=[[5, 6, 25, 6, 25, 7]])
    sets = dataset(tmp_path, data, drawn=coco_files.content())
    assert [i['bbox_label'] for i in sets.get_data_info(0)['instances']] == [1, 2]
    assert lines == ['WARNING train2017: 1 box thinner than a pixel not learned']


def spoil(data: dict) -> None:
    """Drop an annotation, make ignore regions of one with and one without a box, and repair one."""
    data['annotations'][0].update(bbox=[5, 6, 0, 30], segmentation=[])
    data['annotations'][1].update(bbox=None, segmentation=[])
    data['annotations'][2].update(segmentation=[])
    data['annotations'][4].update(segmentation=[str(n) for n in data['annotations'][4]['segmentation'][0]])


def test_what_is_wrong_with_the_file_is_logged(tmp_path, data, lines):
    spoil(data)
    with pytest.raises(UserError, match=r'3 of 6 annotations \(50%\) are dropped or ignored, more than 5%'):
        dataset(tmp_path, data, drawn=coco_files.content())
    said = [
        'WARNING train2017: 1 annotation dropped: box of zero area (annotation id 1)',
        'WARNING train2017: 1 annotation ignored, the whole image: no box (annotation id 2)',
        'WARNING train2017: 1 annotation used as a box only: no mask, where others have one (annotation id 3)',
        'INFO train2017: 1 annotation fixed: numbers are text (annotation id 5)',
        'INFO train2017: 1 annotation fixed: polygon is not in a list of polygons (annotation id 5)',
        'WARNING train2017: without a mask, so ignored, since the pipeline loads masks: 1 object',
    ]
    assert sorted(lines) == sorted(said)
    lines.clear()
    sets = dataset(tmp_path, data, drawn=coco_files.content(), most_lost=0.5)
    assert sorted(lines) == sorted(said)
    assert [len(sets.get_data_info(i)['instances']) for i in range(4)] == [2, 2, 1, 0]


def test_what_can_not_be_used_is_a_region_to_ignore_in_training(tmp_path, data):
    spoil(data)
    sets = dataset(tmp_path, data, drawn=coco_files.content(), most_lost=1)
    sample = sets[0]['data_samples']
    assert len(sample.gt_instances) == 0
    regions = sample.ignored_instances
    assert regions.labels.tolist() == [IGNORE_REGION, IGNORE_REGION]
    assert regions.bboxes.tensor.tolist() == [[0, 0, WIDTH, HEIGHT], [30, 40, 70, 55]]
    assert regions.masks.masks.sum((1, 2)).tolist() == [HEIGHT * WIDTH, 40 * 15]
    assert sets.ignore_regions == 2
    assert sets.class_counts.tolist() == [1, 0, 1]  # neither the box without a mask nor the crowd is learned
    crowd = sets[1]['data_samples'].ignored_instances
    assert crowd.labels.tolist() == [1]  # a crowd is as before
    filled = dataset(tmp_path, data, drawn=coco_files.content(), most_lost=1, filter_cfg=dict(filter_empty_gt=True))
    assert [filled.get_data_info(i)['img_id'] for i in range(len(filled))] == [1, 4]  # nothing to learn in the first

    boxes = [LOAD[0], dict(type='mmdet.LoadAnnotations', with_bbox=True)]
    sample = dataset(tmp_path, data, load=boxes, drawn=coco_files.content(), most_lost=0.4)[0]['data_samples']
    assert sample.gt_instances.bboxes.tensor.tolist() == [[30, 40, 70, 55]]  # a box is all that is needed
    assert sample.ignored_instances.labels.tolist() == [IGNORE_REGION]


def test_objects_without_a_mask_are_kept_as_boxes(tmp_path, data, lines):
    for annotation in data['annotations'][:2]:
        del annotation['segmentation']
    sets = dataset(tmp_path, data, keeps_unmasked=True)  # though a third of the masks are absent
    assert lines == [
        'WARNING train2017: 2 annotations used as a box only: no mask, where others have one (annotation ids 1, 2)',
        'WARNING train2017: without a mask, so learned as boxes only: 2 objects',
    ]
    sample = sets[0]['data_samples']
    truth = sample.gt_instances
    assert truth.labels.tolist() == [0, 1, 2] and len(sample.ignored_instances) == 0
    assert [np.unique(mask).tolist() for mask in truth.masks.masks] == [[UNMASKED], [UNMASKED], [0, 1]]
    assert sets.class_counts.tolist() == [2, 1, 2] and sets.ignore_regions == 0
    filled = dataset(tmp_path, data, keeps_unmasked=True, filter_cfg=dict(filter_empty_gt=True))
    assert [filled.get_data_info(i)['img_id'] for i in range(len(filled))] == [0, 1, 4]
    boxes = dataset(tmp_path, data, keeps_unmasked=True, load=[LOAD[0], dict(LOAD[1], with_mask=False)])
    assert 'masks' not in boxes[0]['data_samples'].gt_instances
    tested = dataset(tmp_path, data, keeps_unmasked=True, load=LOAD[:1], test_mode=True)
    assert 'mask' not in tested.get_data_info(0)['instances'][0]


@pytest.mark.parametrize(
    'transforms',
    [
        [dict(type='mmdet.RandomFlip', prob=0.5), DETR],
        [dict(type='mmdet.Resize', scale=(37, 23)), dict(type='mmdet.Pad', size_divisor=32)],
        [dict(type='mmdet.Expand', prob=1.0)],
    ],
    ids=['flip and DETR', 'smaller and padded', 'expanded'],
)
def test_the_mark_of_an_object_without_a_mask_is_at_the_center_of_its_box(tmp_path, data, transforms):
    del data['annotations'][0]['segmentation'], data['annotations'][1]['segmentation']
    sets = dataset(tmp_path, data, transforms, keeps_unmasked=True)
    seen = {True: 0, False: 0}
    for seed in range(30):
        truth = sets[0, seed]['data_samples'].gt_instances
        for box, mask, label in zip(truth.bboxes.tensor, truth.masks.masks, truth.labels.tolist(), strict=True):
            x, y = ((box[:2] + box[2:]) / 2).long().tolist()
            y, x = min(y, mask.shape[0] - 1), min(x, mask.shape[1] - 1)
            assert (mask[y, x] == UNMASKED) == (label != 2)
            seen[label != 2] += 1
    assert min(seen.values()) > 10


def test_a_file_in_which_every_mask_is_broken_is_refused_also_where_boxes_are_kept(tmp_path, data):
    for annotation in data['annotations']:
        annotation['segmentation'] = [[1, 2, 3]]
    with pytest.raises(UserError, match=r'has no masks that can be read, which the pipeline loads: annotate them, or'):
        dataset(tmp_path, data, keeps_unmasked=True)
    for annotation in data['annotations']:
        annotation['segmentation'] = []  # none were meant: one of several files, of which others have masks
    assert dataset(tmp_path, data, keeps_unmasked=True).class_counts.tolist() == [2, 1, 2]


def test_nothing_but_crowds_is_nothing_to_learn_and_said_in_evaluation(tmp_path, data, lines):
    for annotation in data['annotations']:
        annotation['iscrowd'] = 1
    with pytest.raises(
        UserError, match=r'all 6 annotations in .* are crowds \(iscrowd\) or ignored, so that there is n'
    ):
        dataset(tmp_path, data)
    dataset(tmp_path, data, test_mode=True)
    assert len(lines) == 1 and 'nothing to measure' in lines[0] and lines[0].startswith('WARNING')


def test_classes_are_joined_by_name(tmp_path, data, lines):
    sets = dataset(tmp_path, data, classes=['blue', 'gray', 'red', 'green'])
    assert sets.metainfo == {'classes': ('blue', 'gray', 'red', 'green'), 'category_ids': (0, 1, 7, 2)}
    assert [i['bbox_label'] for i in sets.get_data_info(0)['instances']] == [2, 3, 0]
    assert sets.class_counts.tolist() == [2, 0, 2, 1]  # without the crowd
    assert lines == ['INFO train2017: 1 class not in the file: gray']
    with pytest.raises(UserError, match=r'has red, .*where the model has 3 categories: blue, gray, green: use'):
        dataset(tmp_path, data, classes=['blue', 'gray', 'green'])


def test_a_file_of_boxes_alone(tmp_path, data):
    for annotation in data['annotations']:
        annotation['segmentation'] = []
    with pytest.raises(
        UserError, match=r'instances_train2017\.json has no masks, which the pipeline loads: annotate '
    ):
        dataset(tmp_path, data)
    boxes = [LOAD[0], dict(type='mmdet.LoadAnnotations', with_bbox=True)]
    ground_truth = dataset(tmp_path, data, load=boxes)[0]['data_samples'].gt_instances
    assert ground_truth.bboxes.tensor.shape == (3, 4)
    assert 'masks' not in ground_truth


def test_a_bad_image_stops_or_is_skipped(tmp_path, data):
    stop, skip = (dataset(tmp_path, data, on_bad_image=how) for how in ('stop', 'skip'))
    val = dataset(tmp_path, data, on_bad_image='skip', test_mode=True)
    bad = tmp_path / 'train2017' / '001.png'
    bad.write_bytes(bad.read_bytes()[:100])
    with pytest.raises(UserError, match=r'bad image .*001\.png .*--on-bad-image skip'):
        stop[1]
    assert skip[1]['data_samples'].img_id == 4
    assert skip[1]['skipped'] == [str(bad)]
    batch = collate_dense([val[0], val[1]])
    assert [s.img_id for s in batch['data_samples']] == [0]
    assert batch['skipped'] == [str(bad)]
    with pytest.raises(UserError, match="on_bad_image 'go on' does not exist"):
        dataset(tmp_path, data, on_bad_image='go on')


# ------------------------------------------------------------------ batches


@pytest.mark.parametrize('workers', [0, 2])
def test_batches_of_like_shape_with_seeds(tmp_path, data, workers):
    for number in range(20, 36):
        data['images'].append(coco_files.image(number, *((HEIGHT, WIDTH) if number % 3 else (WIDTH, HEIGHT))))
    sets = dataset(tmp_path, data, [dict(type='mmdet.RandomFlip', prob=0.5)])
    sampler = SeededSampler(sets, shuffle=True, seed=0)
    loader = DataLoader(
        sets,
        batch_sampler=AspectRatioBatches(sampler, batch_size=2),
        num_workers=workers,
        collate_fn=collate_dense,
    )
    batches = list(loader)
    assert len(batches) == len(loader) == 10
    shapes = [{tuple(image.shape) for image in batch['inputs']} for batch in batches]
    assert sum(len(of_batch) == 1 for of_batch in shapes) >= 9  # the last one takes what is left of both shapes
    ids, seeds = [i['id'] for i in data['images']], dict(sampler)
    samples = [sample for batch in batches for sample in batch['data_samples']]
    assert sorted(sample.img_id for sample in samples) == sorted(ids)
    for sample in samples:
        index = ids.index(sample.img_id)
        assert sample.flip == sets[index, seeds[index]]['data_samples'].flip


def test_the_list_lies_in_one_buffer_for_all_workers(tmp_path, data):
    sets = dataset(tmp_path, data)
    assert sets.data_list == []
    assert sets.data_bytes.dtype == np.uint8


def test_ignore_regions_are_no_class_to_balance(tmp_path, data):
    data['annotations'][4].update(bbox=None, segmentation=[])  # of the second image, beside a crowd
    del data['annotations'][3]
    sets = dataset(tmp_path, data, drawn=coco_files.content(), most_lost=1.0)
    assert [i['bbox_label'] for i in sets.get_data_info(1)['instances']] == [IGNORE_REGION]
    assert [sets.get_cat_ids(place) for place in range(4)] == [[0, 1, 2], [], [2], []]
    assert ClassBalancedDataset(sets, oversample_thr=0.5).repeat_indices == [0, 0, 1, 2, 3]
