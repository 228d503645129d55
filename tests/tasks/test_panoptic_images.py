"""Records and maps of panoptic outputs: the metric's tallies, counted pixels, and what became of segments."""

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, PixelData
from PIL import Image

from convnext_dense.diagnosis.panoptic_quality import panoptic_measure
from convnext_dense.diagnosis.suspect_regions import suspect_regions
from convnext_dense.evaluation import PanopticQuality
from convnext_dense.io.panoptic import colors_of_ids
from convnext_dense.tasks.panoptic_images import panoptic_maps, with_segments

CLASSES = ('cat', 'dog', 'cow', 'sky', 'road')  # three things, two of stuff
NOTHING = len(CLASSES)


def output_of(folder, number: int, ids: np.ndarray, segments: list[dict], found: np.ndarray) -> BaseDataElement:
    file = folder / f'{number}.png'
    Image.fromarray(colors_of_ids(ids)).save(file)
    counted = [{'iscrowd': 0, 'area': None, **one} for one in segments]
    truth = {'segments_file': str(file), 'segments': counted}
    meta = {'img_id': number, 'img_path': f'{number}.jpg', 'ori_shape': ids.shape, 'panoptic': truth}
    output = BaseDataElement(metainfo=meta)
    output.set_data({'pred_panoptic_seg': PixelData(sem_seg=torch.from_numpy(found)[None])})
    return output


@pytest.fixture
def output(tmp_path) -> BaseDataElement:
    """Sky above road; a cat that is found, a dog taken for a cow, a missed cat, a crowd, and a cow out of nothing."""
    ids = np.full((60, 80), 9, np.int32)
    ids[30:] = 8
    ids[5:15, 5:15], ids[5:15, 30:40], ids[40:50, 5:15], ids[40:50, 60:70] = 1, 2, 3, 4
    ids[0] = 0
    labels = {9: 3, 8: 4, 1: 0, 2: 1, 3: 0, 4: 1}
    segments = [{'id': number, 'label': label, 'iscrowd': int(number == 4)} for number, label in labels.items()]
    found = np.full((60, 80), 3, np.int32)
    found[30:] = 4
    found[5:15, 6:15], found[5:15, 30:40], found[52:58, 30:40], found[41:49, 61:69] = 1000, 2002, 3002, 4001
    found[:, -1] = NOTHING
    return output_of(tmp_path, 0, ids, segments, found)


def test_pq_of_records_is_the_metrics(output):
    metric = PanopticQuality()
    metric.dataset_meta = {'classes': CLASSES, 'stuff_classes': CLASSES[3:]}
    metric.process(None, [output.to_dict()])
    expected = metric.evaluate(1)
    record = with_segments(output, len(CLASSES)).record
    measure = panoptic_measure([record.tallies], CLASSES, 3)
    got = dict(zip((q.metric for q in measure.quantities[:9]), measure.values().tolist(), strict=False))
    assert got == pytest.approx({name: value for name, value in expected.items() if name != 'images'}, abs=1e-10)


def test_pixels_are_counted_by_class(output):
    matrix = with_segments(output, len(CLASSES)).record.pixels.matrix()
    assert matrix[0, 0] == 90  # of the found cat
    assert matrix[0, 3] == 10  # its first column
    assert matrix[0, 4] == 100  # the missed cat, on the road
    assert matrix[1, 2] == 100
    assert matrix[:, NOTHING].tolist() == [0, 0, 0, 29, 30, 0]
    assert matrix.sum() == 59 * 80  # without the row of no segment


def test_maps_have_classes_and_things_have_what_became_of_them(output):
    maps = panoptic_maps(output, len(CLASSES), things=3)
    assert maps.truth[0].tolist() == [255] * 80 and maps.truth[10, 35] == 1 and maps.truth[20, 20] == 3
    assert maps.predicted[10, 35] == 2 and maps.predicted[20, -1] == 255
    true = {(tuple(one.box), one.label): one.finding for one in maps.true_objects}
    assert true == {
        ((5, 5, 10, 10), 0): 'found',
        ((30, 5, 10, 10), 1): 'missed',
        ((5, 40, 10, 10), 0): 'missed',
        ((60, 40, 10, 10), 1): 'ignored',
    }
    predicted = {(tuple(one.box), one.label): one.finding for one in maps.predicted_objects}
    assert predicted == {
        ((6, 5, 9, 10), 0): 'right',
        ((30, 5, 10, 10), 2): 'class',
        ((30, 52, 10, 6), 2): 'background',
        ((61, 41, 8, 8), 1): 'ignored',
    }
    (polygon,) = maps.true_objects[0].outline
    assert (min(polygon[::2]), max(polygon[::2])) == pytest.approx((5, 15), abs=0.5)


def test_a_segment_beside_its_place_is_one_of_location(tmp_path):
    ids = np.zeros((40, 40), np.int32)
    ids[:] = 9
    ids[10:20, 10:20] = 1
    found = np.full((40, 40), 3, np.int32)
    found[10:20, 15:25] = 1000
    segments = [{'id': 9, 'label': 3}, {'id': 1, 'label': 0}]
    maps = panoptic_maps(output_of(tmp_path, 0, ids, segments, found), 5, things=3)
    assert [one.finding for one in maps.predicted_objects] == ['location']


def test_without_ground_truth_there_are_predictions_alone(output):
    output.set_metainfo({'panoptic': None})
    image = with_segments(output, 5)
    assert not image.has_truth and image.record.pixels.counts.sum() == 0
    maps = panoptic_maps(output, 5, things=3)
    assert maps.truth is None and maps.true_objects is None and len(maps.predicted_objects) == 4


def test_segments_of_another_class_are_contradicted_by_their_iou(output, tmp_path):
    found = with_segments(output, len(CLASSES)).contradicted
    (region,) = (
        found.regions
    )  # the dog that is taken for a cow; the crowd, and the false cow on the road, are left out
    assert (region.label, region.predicted, region.box) == (1, 2, (30.0, 5.0, 40.0, 15.0))
    assert (region.pixels, region.confidence, region.share) == (100, 1.0, 1.0)
    (suspect,) = suspect_regions([found, cow_that_is_right(tmp_path)])
    assert (suspect.kind, suspect.label, suspect.suggested, suspect.strength) == ('class', 1, 2, 1.0)
    assert suspect_regions([found]) == []  # nothing shows that the model knows cows


@pytest.mark.parametrize(('width', 'iou'), [(5, None), (6, 0.6), (16, 10 / 16), (20, None)])
def test_only_segments_with_an_iou_above_one_half_are_contradicted(tmp_path, width, iou):
    ids, found = np.zeros((20, 40), np.int32), np.full((20, 40), NOTHING, np.int32)
    ids[:10, :10], ids[:10, 10:] = 1, 2
    found[:10, :width] = 1001
    output = output_of(tmp_path, 0, ids, [{'id': 1, 'label': 0}, {'id': 2, 'label': 3}], found)
    regions = with_segments(output, len(CLASSES)).contradicted.regions
    assert [region.share for region in regions] == ([] if iou is None else [pytest.approx(iou)])


def test_unlabeled_pixels_do_not_count_in_the_union(tmp_path):
    ids, found = np.zeros((20, 40), np.int32), np.full((20, 40), NOTHING, np.int32)
    ids[:10, :10] = 1
    found[:10, :30] = 1001
    output = output_of(tmp_path, 0, ids, [{'id': 1, 'label': 0}], found)
    assert [region.share for region in with_segments(output, len(CLASSES)).contradicted.regions] == [1.0]


def cow_that_is_right(folder):
    ids = np.full((20, 20), 1, np.int32)
    output = output_of(folder, 1, ids, [{'id': 1, 'label': 2}], np.full((20, 20), 1002, np.int32))
    return with_segments(output, len(CLASSES)).contradicted
