"""Published data sets, whose files don't list their classes."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.segmentation.find import find_masks
from convnext_dense.data.segmentation.known_sets import CAMVID, CITYSCAPES, VOC, voc_colors
from convnext_dense.data.segmentation.mask_kinds import read_kind
from convnext_dense.data.segmentation.masks import check_masks, read_labels
from convnext_dense.data.segmentation.options import MaskOptions
from convnext_dense.errors import UserError
from tests.helpers.layouts import touch
from tests.helpers.mask_folder import save

# id and trainId of labels.py in cityscapesScripts, of those with a trainId
TRAIN_IDS = {
    7: 0,
    8: 1,
    11: 2,
    12: 3,
    13: 4,
    17: 5,
    19: 6,
    20: 7,
    21: 8,
    22: 9,
    23: 10,
    24: 11,
    25: 12,
    26: 13,
    27: 14,
    28: 15,
    31: 16,
    32: 17,
    33: 18,
}


def ramp(most: int, void: int | None = None) -> np.ndarray:
    """Labels (16, 64) from 0 to most, and a row of void."""
    labels = np.resize(np.arange(most + 1), (16, 64)).astype(np.uint8)
    if void is not None:
        labels[3] = void
    return labels


def write_cityscapes(root, ids=True, train_ids=True):
    labels = ramp(33)
    image = root / 'leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png'
    save(image, np.zeros((16, 64, 3), np.uint8))
    name = str(image).replace('leftImg8bit/', 'gtFine/').replace('_leftImg8bit.png', '_gtFine_{}.png')
    table = np.array([TRAIN_IDS.get(number, 255) for number in range(256)], np.uint8)
    for kind, own, is_there in (('labelIds', labels, ids), ('labelTrainIds', table[labels], train_ids)):
        if is_there:
            (root / 'gtFine/train/ulm').mkdir(parents=True, exist_ok=True)
            save(root / name.format(kind).split(f'{root}/')[1], own)
    touch(root, 'gtFine/train/ulm/ulm_000000_000019_gtFine_polygons.json')
    return table[labels]


@pytest.mark.parametrize(('ids', 'train_ids'), [(True, False), (False, True), (True, True)])
def test_ids_of_cityscapes_become_its_19_classes(tmp_path, ids, train_ids):
    expected = write_cityscapes(tmp_path, ids, train_ids)
    labels = read_labels(tmp_path)
    assert tuple(labels.classes) == CITYSCAPES and not labels.reduce_zero_label
    assert labels.reader.kind == ('index' if train_ids else 'cityscapes') and 'Cityscapes' in labels.reading
    ((_, mask),) = find_masks(tmp_path, 'training')
    np.testing.assert_array_equal(labels.reader.read(mask), expected)
    check_masks([(mask, mask)], 19, False, labels.reader)


def test_a_list_of_its_own_names_the_ids_as_they_are(tmp_path):
    write_cityscapes(tmp_path, train_ids=False)
    (tmp_path / 'classes.txt').write_text('\n'.join(f'id {number}' for number in range(34)))
    assert len(read_labels(tmp_path).classes) == 34
    labels = read_labels(tmp_path, options=MaskOptions('cityscapes'))
    assert tuple(labels.classes) == CITYSCAPES


def test_names_and_colors_of_voc(tmp_path):
    colors = voc_colors()  # from the development kit's table
    assert colors[:3] == [(0, 0, 0), (128, 0, 0), (0, 128, 0)] and colors[15] == (192, 128, 128)
    assert colors[20] == (0, 64, 128)
    labels = ramp(20, void=255)
    save(tmp_path / 'JPEGImages/2007_000027.jpg', np.zeros((16, 64, 3), np.uint8))
    (tmp_path / 'SegmentationClass').mkdir()
    image = Image.fromarray(labels)
    image.putpalette([part for color in colors for part in color] + [224, 224, 192] * 235)
    image.save(tmp_path / 'SegmentationClass/2007_000027.png')
    for lists in ('train', 'val'):
        touch(tmp_path, f'ImageSets/Segmentation/{lists}.txt')
        (tmp_path / f'ImageSets/Segmentation/{lists}.txt').write_text('2007_000027\n')
    found = read_labels(tmp_path)
    assert tuple(found.classes) == VOC and found.reader.kind == 'index' and not found.reduce_zero_label
    np.testing.assert_array_equal(found.reader.read(find_masks(tmp_path, 'validation')[0][1]), labels)
    assert 'Pascal VOC' in found.reading and read_labels(tmp_path, True).classes == list(VOC[1:])
    image.convert('RGB').save(tmp_path / 'SegmentationClass/2007_000027.png')
    found = read_labels(tmp_path)
    assert found.reader.kind == 'color' and tuple(found.classes) == VOC
    np.testing.assert_array_equal(found.reader.read(find_masks(tmp_path, 'training')[0][1]), labels)


def test_other_data_in_the_layout_of_voc_have_names_of_their_own(tmp_path):
    save(tmp_path / 'JPEGImages/street.jpg', np.zeros((16, 64, 3), np.uint8))
    save(tmp_path / 'SegmentationClass/street.png', ramp(3))
    assert read_labels(tmp_path, False).classes == ['class_0', 'class_1', 'class_2', 'class_3']


def test_labels_of_camvid(tmp_path):
    for split in ('train', 'val'):
        save(tmp_path / split / f'0001TP_00669{len(split)}.png', np.zeros((16, 64, 3), np.uint8))
        save(tmp_path / f'{split}annot' / f'0001TP_00669{len(split)}.png', ramp(11))
    labels = read_labels(tmp_path)
    assert tuple(labels.classes) == CAMVID and labels.reader.kind == 'camvid' and not labels.reduce_zero_label
    found = labels.reader.read(find_masks(tmp_path, 'training')[0][1])
    np.testing.assert_array_equal(found, np.where(ramp(11) == 11, 255, ramp(11)))


def test_numbers_that_are_no_labels_of_camvid_are_named(tmp_path):
    save(tmp_path / 'train/0001TP_006690.png', np.zeros((16, 64, 3), np.uint8))
    save(tmp_path / 'trainannot/0001TP_006690.png', ramp(13))
    reader = read_kind(tmp_path).reader
    with pytest.raises(
        UserError, match=r'1 with numbers that are no ids \(0001TP_006690.png 12, 13\): take another kind'
    ):
        check_masks(find_masks(tmp_path, 'training'), 11, False, reader)
