"""Loading panoptic ground truth for training."""

import sys
from types import ModuleType

import numpy as np
import pytest

from convnext_dense.data.panoptic.dataset import PanopticDataset
from convnext_dense.data.panoptic.files import find_panoptic_splits
from convnext_dense.data.panoptic.transforms import LoadPanoptic
from convnext_dense.errors import BadImage, UserError
from tests.helpers.mask_folder import save
from tests.helpers.panoptic_files import as_colors, change, draw_ids, files_of, reference, settings

LOADED = [dict(type='convnext_dense.LoadImage'), dict(type='convnext_dense.LoadPanoptic')]


def check_equals_reference(found: dict, expected: dict) -> None:
    np.testing.assert_array_equal(
        found['gt_masks'].masks, np.reshape(expected['masks'], found['gt_masks'].masks.shape)
    )
    np.testing.assert_array_equal(found['gt_bboxes'].tensor, np.reshape(expected['boxes'], (-1, 4)))
    np.testing.assert_array_equal(found['gt_bboxes_labels'], expected['labels'])
    np.testing.assert_array_equal(found['gt_seg_map'], expected['classes'])
    assert not found['gt_ignore_flags'].any() and len(found['gt_ignore_flags']) == len(expected['labels'])


def test_masks_boxes_labels_and_classes_are_those_of_the_files(root):
    dataset = PanopticDataset(**settings(root, pipeline=LOADED))
    expected = reference(files_of(root))
    assert len(dataset) == 2
    for index in range(2):
        found = dataset[index]
        check_equals_reference(found, expected[found['path'].rsplit('/', 1)[1]])
        assert found['gt_bboxes_labels'].tolist() == [0, 1] and set(np.unique(found['gt_seg_map'])) == {
            0,
            1,
            2,
            3,
            255,
        }
        assert found['gt_seg_map'].dtype == np.int32 and found['gt_masks'].masks.dtype == np.uint8


def test_the_sample_is_loaded_alike(drawn):
    for split, files in find_panoptic_splits(drawn / 'coco').items():
        dataset = PanopticDataset(**settings(drawn / 'coco', split, pipeline=LOADED))
        expected = reference(files)
        for index in range(len(dataset)):
            found = dataset[index]
            check_equals_reference(found, expected[found['path'].rsplit('/', 1)[1]])


def test_it_equals_mmdets_transform_but_for_crowds(root, monkeypatch):
    """Which takes one function of panopticapi, and learns the pixels of crowds."""
    utils = ModuleType('panopticapi.utils')
    utils.rgb2id = lambda rgb: rgb.astype(np.int32) @ np.array([1, 256, 256**2])
    monkeypatch.setitem(sys.modules, 'panopticapi', ModuleType('panopticapi'))
    monkeypatch.setitem(sys.modules, 'panopticapi.utils', utils)
    sys.modules['panopticapi'].utils = utils
    from mmdet.datasets.transforms.loading import LoadPanopticAnnotations

    info = PanopticDataset(**settings(root)).get_data_info(0)
    ours = LoadPanoptic().transform(dict(info))
    truth = info['panoptic']
    theirs = LoadPanopticAnnotations().transform(
        {
            'seg_map_path': truth['segments_file'],
            'ori_shape': truth['size'],
            'segments_info': [
                {'id': s['id'], 'category': s['label'], 'is_thing': s['label'] < 2 and not s['iscrowd']}
                for s in truth['segments']
            ],
            'instances': [
                {'bbox': box, 'bbox_label': label, 'ignore_flag': 0}
                for box, label in zip(
                    *(reference(files_of(root))['001.jpg'][k] for k in ('boxes', 'labels')), strict=True
                )
            ],
        }
    )
    np.testing.assert_array_equal(ours['gt_masks'].masks, theirs['gt_masks'].masks)
    assert ours['gt_bboxes'].tensor.equal(theirs['gt_bboxes'].tensor)
    np.testing.assert_array_equal(ours['gt_bboxes_labels'], theirs['gt_bboxes_labels'])
    is_crowd = draw_ids(1) == 66_051
    np.testing.assert_array_equal(ours['gt_seg_map'][~is_crowd], theirs['gt_seg_map'][~is_crowd])
    assert (ours['gt_seg_map'][is_crowd] == 255).all() and (theirs['gt_seg_map'][is_crowd] == 1).all()


def test_a_box_that_the_file_lacks_or_gets_wrong_is_that_of_the_pixels(root):
    expected = reference(files_of(root))['001.jpg']['boxes']

    def edit(content):
        segments = content['annotations'][0]['segments_info']
        segments[1]['bbox'] = [0, 0, 1, 1]
        del segments[4]['bbox'], segments[4]['area']

    change(root, edit)
    found = PanopticDataset(**settings(root, pipeline=LOADED))[0]
    np.testing.assert_array_equal(found['gt_bboxes'].tensor, expected)


def test_a_segment_without_a_pixel_is_left_out(root):
    ids = draw_ids(1)
    ids[ids == 300] = 5
    save(files_of(root).segments / '001.png', as_colors(ids))
    found = PanopticDataset(**settings(root, pipeline=LOADED))[0]
    assert found['gt_bboxes_labels'].tolist() == [1] and len(found['gt_masks']) == 1


@pytest.mark.parametrize(
    ('spoil', 'fault'),
    [
        (lambda png: png.write_bytes(b'PNG'), r'\(not an image\)$'),
        (lambda png: png.unlink(), r'\(No such file or directory, 4 times, errno 2\)$'),
        (lambda png: save(png, as_colors(draw_ids(1)[:-1])), 'size than its image: 39 x 48, annotations: 40 x 48'),
        (
            lambda png: save(png, as_colors(draw_ids(1) + (draw_ids(1) == 300))),
            r'segments that the JSON file lacks: \d+ pixels of 301\)$',
        ),
        (lambda png: save(png, draw_ids(1).astype(np.uint16)), 'with numbers rather than colors'),
    ],
)
def test_a_faulty_png_file_is_a_bad_image(root, spoil, fault):
    dataset = PanopticDataset(**settings(root, pipeline=LOADED))
    skipping = PanopticDataset(**settings(root, pipeline=LOADED, on_bad_image='skip'))
    spoil(files_of(root).segments / '001.png')
    with pytest.raises(BadImage, match=rf'bad mask .*001.png.*{fault}'):
        LoadPanoptic().transform(dict(dataset.get_data_info(0)))
    with pytest.raises(UserError, match=r'bad mask .*: fix or remove it, or skip it with --on-bad-image skip$'):
        dataset[0]
    found = skipping[0]
    assert found['path'].endswith('002.jpg') and [one[-7:] for one in found['skipped']] == ['001.jpg']
