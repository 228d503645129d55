"""Classes of an image/mask folder among those of a checkpoint or another folder."""

import numpy as np
import pytest

from convnext_dense.data.check import PROBLEM
from convnext_dense.data.class_choice import as_choice
from convnext_dense.data.image_scan import scan_images
from convnext_dense.data.segmentation.check import read_mask_folder
from convnext_dense.data.segmentation.join import join_labels
from convnext_dense.data.segmentation.masks import check_learnable, read_labels
from convnext_dense.errors import UserError
from convnext_dense.io.images import read_rgb
from convnext_dense.results import Segmentation
from convnext_dense.results.colors import palette
from convnext_dense.results.drawing import shrunk
from convnext_dense.tasks import TASKS
from convnext_dense.tasks.dense import RECORD_SIZE
from tests.helpers.mask_folder import draw_labels, relabel, write_mask_folder
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


def remapped(labels: np.ndarray, new: dict[str, int]) -> np.ndarray:
    """The classes of a mask whose label v is the v-th of ``OWN``: 255 for names without one, and for 0."""
    expected = np.full(labels.shape, 255)
    for label, name in enumerate(OWN, start=1):
        if name in new:
            expected[labels == label] = new[name]
    return expected


CHOICES = [
    ({'classes': ['pink', 'red']}, ['pink', 'red'], {'pink': 0, 'red': 1}),
    (
        {'merge': [{'classes': ['red', 'pink'], 'into': 'warm'}]},
        ['warm', 'green', 'blue', 'yellow'],
        {'red': 0, 'pink': 0, 'green': 1, 'blue': 2, 'yellow': 3},
    ),
    (
        {'classes': ['blue', 'red'], 'merge': [{'classes': ['green', 'pink'], 'into': 'red'}], 'ignore': ['yellow']},
        ['blue', 'red'],
        {'blue': 0, 'red': 1, 'green': 1, 'pink': 1},
    ),
    ({'ignore': ['red', 'pink']}, ['green', 'blue', 'yellow'], {'green': 0, 'blue': 1, 'yellow': 2}),
]


@pytest.mark.parametrize(('choice', 'classes', 'new'), CHOICES)
def test_chosen_pixels_are_those_of_masks_that_were_changed_by_hand(root, tmp_path, choice, classes, new):
    by_hand = write_mask_folder(tmp_path / 'by_hand')
    (by_hand / 'classes.txt').write_text('\n'.join(classes))
    relabel(by_hand, lambda labels: remapped(labels, new))
    for split in ('training', 'validation'):
        data = mask_folder(root, split=split, choice=choice)
        other = mask_folder(by_hand, split=split, reduce_zero_label=False)
        assert data.metainfo['classes'] == other.metainfo['classes'] == tuple(classes)
        assert data.metainfo['palette'] == other.metainfo['palette']
        assert data.metainfo['reduce_zero_label'] is True and as_choice(data.metainfo['choice']) == as_choice(choice)
        for index in range(2):
            image, labels = arrays(data[index])
            assert np.array_equal(labels, remapped(draw_labels(index), new))
            assert all(map(np.array_equal, (image, labels), arrays(other[index])))
            assert data.get_cat_ids(index) == sorted(set(labels.ravel()) - {255}, key=data.get_cat_ids(index).index)


def test_a_class_that_is_label_zero_can_be_chosen_and_left_out(root):
    relabel(root, lambda labels: np.minimum(labels, 4))  # 0 is now the class red
    labels = np.minimum(draw_labels(0), 4)
    _, classes = arrays(mask_folder(root, choice={'classes': ['pink', 'red']})[0])
    assert np.array_equal(classes, np.select([labels == 4, labels == 0], [0, 1], 255))
    _, classes = arrays(mask_folder(root, choice={'ignore': ['red']})[0])
    assert np.array_equal(classes, np.where(labels == 0, 255, labels - 1))


def test_one_line_says_how_many_pixels_are_left_out_merged_and_ignored(root):
    labels = np.stack([draw_labels(index) for index in range(4)])
    green, blue, others = (np.isin(labels, own).mean() for own in ([2], [3], [4, 5]))
    choice = {'classes': ['red'], 'merge': [{'classes': ['green'], 'into': 'red'}], 'ignore': ['blue']}
    unlabeled = 'are unlabeled, so that nothing is learned or measured there'
    expected = (
        f"training: 1 class of 5 by choice (red): {green:.1%} of the pixels of green are 'red'; {others:.1%} of the "
        f'pixels of 2 classes that are not chosen (yellow, pink) {unlabeled} (join them with --merge to have a '
        f'background); {blue:.1%} of the pixels of 1 class that is ignored (blue) {unlabeled}'
    )
    assert (False, expected) in mask_folder(root, choice=choice).remarks


def test_names_that_a_folder_lacks_are_refused_unless_the_classes_of_all_parts_are_known(root):
    with pytest.raises(UserError, match=r"names 'rde' \(did you mean 'red'\?\): there are 5 classes in .*own: red"):
        mask_folder(root, choice={'classes': ['rde', 'pink']})
    part = mask_folder(root, choice={'classes': ['sky', 'pink']}, classes=['sky', 'pink'])
    assert np.array_equal(arrays(part[0])[1], remapped(draw_labels(0), {'pink': 1}))


def test_chosen_classes_without_an_example_are_named_and_one_alone_is_not_learned(root):
    relabel(root, lambda labels: np.where(labels == 3, 0, labels))
    merge = [{'classes': ['red', 'blue'], 'into': 'warm'}]
    data = mask_folder(root, choice={'classes': ['warm', 'pink'], 'merge': merge})
    assert not [line for is_warning, line in data.remarks if is_warning]  # blue is absent, and warm is not
    warnings = [
        line for is_warning, line in mask_folder(root, choice={'classes': ['blue', 'red']}).remarks if is_warning
    ]
    assert warnings == ['1 of 2 classes without an example in the training masks, which are not learned: blue']
    labels = read_labels(root)
    check_learnable(root, 'training', labels, as_choice({'classes': ['pink', 'red']}))
    for classes, said in (('blue', 'no chosen class'), ('red', "one chosen class only, 'red'")):
        with pytest.raises(UserError, match=f'{said}, so that there is nothing to learn, since pixels of the others'):
            check_learnable(root, 'training', labels, as_choice({'classes': [classes]}))


def test_masks_without_a_chosen_class_are_no_fault_of_the_masks(root):
    relabel(root, lambda labels: np.where(labels == 1, 2, labels), splits=('validation',))
    source = dict(root=root, split='validation', choice={'classes': ['red']})
    data = read_mask_folder({'val': source})
    scans = scan_images([(image.path, image.mask) for image in data.splits[0].images], workers=1)
    (finding,) = data.check_ground_truth(data.splits[0], scans)
    assert finding.message == '2 masks without a labeled pixel'
    assert finding.fix == 'they show no chosen class, so that nothing is learned or measured of them'


def test_a_check_counts_and_draws_chosen_pixels(root):
    choice = {
        'classes': ['blue', 'red'],
        'merge': [{'classes': ['green', 'pink'], 'into': 'red'}],
        'ignore': ['yellow'],
    }
    sources = {s: dict(root=root, split=n, choice=choice) for s, n in (('train', 'training'), ('val', 'validation'))}
    data = read_mask_folder(sources)
    assert data.classes == ['blue', 'red'] and not [f for f in data.findings if f.level == PROBLEM]
    record = data.splits[0].images[1]
    counts = data.count_classes(record, scan_images([(record.path, record.mask)], workers=1)[0])
    expected = remapped(draw_labels(1), {'blue': 0, 'red': 1, 'green': 1, 'pink': 1})
    assert counts == {0: (expected == 0).sum(), 1: (expected == 1).sum()}
    assert len([f for f in data.findings if f.message.startswith('2 classes of 5 by choice (blue, red)')]) == 2
    drawn = TASKS['segmentation'].draw_ground_truth(data, record)
    of_hand = Segmentation(record.path, expected.astype(np.uint8), data.classes, palette(2))
    expected = of_hand.draw(image=read_rgb(record.path), legend_rows=2)
    assert np.array_equal(drawn, shrunk(expected, RECORD_SIZE))
