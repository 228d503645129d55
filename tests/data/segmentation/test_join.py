"""Classes of an image/mask folder among those of a checkpoint or another folder."""

import numpy as np
import pytest

from convnext_dense.data.check import PROBLEM
from convnext_dense.data.image_scan import scan_images
from convnext_dense.data.segmentation.check import read_mask_folder
from convnext_dense.data.segmentation.join import join_labels
from convnext_dense.errors import UserError
from tests.helpers.mask_folder import draw_labels, write_mask_folder
from tests.helpers.mask_samples import arrays, mask_folder

OWN = ['red', 'green', 'blue', 'yellow', 'pink']


@pytest.fixture
def root(tmp_path):
    folder = write_mask_folder(tmp_path / 'own')
    (folder / 'classes.txt').write_text('\n'.join(OWN))
    return folder


@pytest.mark.parametrize(
    'classes',
    [
        OWN,
        OWN[::-1],
        ['sky', *OWN],
        ['pink', 'sky', 'green', 'sea', 'red', 'yellow', 'land', 'blue'],
    ],
)
def test_pixels_get_the_label_of_their_name(root, classes):
    data = mask_folder(root, classes=classes)
    assert data.metainfo['classes'] == tuple(classes) and len(data.metainfo['palette']) == len(classes)
    for index in range(2):
        own = draw_labels(index)
        expected = np.full(own.shape, 255)
        for label, name in enumerate(OWN, start=1):
            expected[own == label] = classes.index(name)
        assert np.array_equal(arrays(data[index])[1], expected)


def test_unknown_names_are_refused(root):
    said = r'own has 2 of 5 classes that are not among the 3 known ones .red, green, blue.: yellow, pink: name them'
    with pytest.raises(UserError, match=said):
        mask_folder(root, classes=OWN[:3])
    assert join_labels(root, OWN, OWN) is None
    assert join_labels(root, ['b', 'a'], ['a', 'b']) == {0: 1, 1: 0}


def test_a_check_counts_the_pixels_of_another_root_under_the_names_of_the_first(root, tmp_path):
    other = write_mask_folder(tmp_path / 'other')
    (other / 'classes.txt').write_text('\n'.join(OWN[::-1]))
    sources = {'train': dict(root=root, split='training'), 'val': dict(root=other, split='validation')}
    data = read_mask_folder(sources)
    assert data.classes == OWN
    labels = draw_labels(0)
    scan = scan_images([(data.splits[1].images[0].path, data.splits[1].images[0].mask)], workers=1)[0]
    counts = data.count_classes(data.splits[1].images[0], scan)
    assert counts == {OWN.index(name): int((labels == label).sum()) for label, name in enumerate(OWN[::-1], start=1)}
    (other / 'classes.txt').write_text('\n'.join([*OWN[:4], 'sky']))
    [problem] = [f for f in read_mask_folder(sources).findings if f.level == PROBLEM]
    assert (problem.split, problem.message.endswith(': sky: name them alike in its classes.txt')) == ('val', True)
