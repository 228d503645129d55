import numpy as np
import pytest

from convnext_dense.data.check import ImageRecord, SplitRecords
from convnext_dense.data.classification.check import ImageFolderRecords
from convnext_dense.data.detection.check import CocoRecords
from convnext_dense.data.panoptic.check import PanopticRecords
from convnext_dense.data.segmentation.check import MaskFolderRecords
from convnext_dense.diagnosis.statistics import measure
from convnext_dense.io.image_size import ImageSize


def instance(label: int, box: tuple, area: float, ignored: int = 0) -> dict:
    return {'bbox': list(box), 'bbox_label': label, 'ignore_flag': ignored, 'area': area}


def test_images_with_labels():
    images = [ImageRecord('a', 0), ImageRecord('b', 1), ImageRecord('c', 1), ImageRecord('d', 2, is_read=False)]
    data = ImageFolderRecords([], ['x', 'y', 'z'])
    found = measure(data, SplitRecords('train', images), 'training', {'a': ImageSize(4, 6), 'd': ImageSize(1, 1)})
    assert (found.images, found.left_out, found.unit, found.countable_unit) == (3, 1, 'images', 'image')
    assert found.examples.tolist() == found.class_images.tolist() == found.countable.tolist() == [1, 2, 0]
    assert found.absent == ['z']
    assert found.sizes.tolist() == [[4, 6]] and found.median_size == ImageSize(4, 6)
    assert found.labels == [0, 1, 1] and found.class_sets is None


def test_objects_without_crowds():
    images = [
        ImageRecord(
            'a',
            instances=[
                instance(0, (0, 0, 40, 10), 400),
                instance(0, (0, 0, 10, 40), 1024),
                instance(1, (0, 0, 50, 50), 9216),
                instance(1, (0, 0, 100, 100), 9999, ignored=1),
            ],
            size=ImageSize(100, 400),
        ),
        ImageRecord('b', instances=[instance(2, (0, 0, 200, 200), 9217)], size=ImageSize(200, 200)),
        ImageRecord('c', size=ImageSize(50, 50)),
    ]
    found = measure(CocoRecords([], ['x', 'y', 'z']), SplitRecords('val', images), 'tested', {})
    assert found.examples.tolist() == [2, 1, 1] and found.class_images.tolist() == [1, 1, 1]
    assert found.without == 1 and found.unlabeled is None
    assert found.objects.per_image.tolist() == [3, 1, 0]
    assert found.objects.count_sizes() == {'small': 2, 'medium': 1, 'large': 1}
    assert found.objects.count_aspects() == {'tall': 1, 'square': 2, 'wide': 1}
    assert found.objects.relative_sides == pytest.approx([10, 16, 48, 100 * np.sqrt(9217 / 40000)])
    assert found.class_sets == [{0, 1}, {2}, set()]


def test_pixels_by_the_labels_of_masks():
    data = MaskFolderRecords([], ['x', 'y'], first_label=1)
    data.pixels = {'a.png': [(0, 10), (1, 30), (2, 20)], 'b.png': [(1, 30), (255, 10)], 'c.png': [(0, 100)]}
    images = [ImageRecord(name, mask=f'{name}.png') for name in 'abc']
    found = measure(data, SplitRecords('train', images), 'training', {})
    assert found.examples.tolist() == [60, 20] and found.class_images.tolist() == [2, 1]
    assert found.countable.tolist() == [2, 1] and found.countable_unit == 'image'
    assert found.unlabeled == pytest.approx(60)  # 120 of 200
    assert found.without == 1


def test_segments():
    def segment(number, label, area, crowd=0):
        return {'id': number, 'label': label, 'iscrowd': crowd, 'area': area}

    data = PanopticRecords([], ['x', 'y', 'sky'], thing_classes=['x', 'y'], stuff_classes=['sky'])
    segments = [segment(1, 0, 100), segment(2, 0, 200), segment(3, 2, 500), segment(4, 1, 100, crowd=1)]
    image = ImageRecord('a', mask='a.png', size=ImageSize(25, 40), segments=segments)
    found = measure(data, SplitRecords('train', [image]), 'training', {})
    assert found.examples.tolist() == [2, 0, 1]
    assert found.objects.areas.tolist() == [100, 200] and found.objects.count_aspects()['square'] == 0
    assert found.unlabeled == pytest.approx(10)
    no_areas = image._replace(segments=[segment(1, 0, None)])
    assert measure(data, SplitRecords('train', [no_areas]), 'training', {}).unlabeled is None


def test_classes_are_joined_by_name_and_others_are_named():
    images = [ImageRecord('a', 0), ImageRecord('b', 1), ImageRecord('c', 1)]
    found = measure(ImageFolderRecords([], ['x', 'y']), SplitRecords('val', images), 'tested', {}, ['z', 'y'])
    assert found.classes == ['z', 'y'] and found.examples.tolist() == [0, 2]
    assert found.other_classes == ['x'] and found.labels == [-1, 1, 1]


def test_no_images():
    found = measure(CocoRecords([], ['x']), SplitRecords('val'), 'tested', {})
    assert found.images == 0 and found.median_size is None and found.objects.count_sizes()['small'] == 0
