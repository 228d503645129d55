"""Images of the browser: which are chosen, their files, and what is said of them."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.analysis import shown_images as module
from convnext_dense.analysis.collect import CollectedTest
from convnext_dense.analysis.shown_images import choose_images, show_images
from convnext_dense.diagnosis.confusion import Confusion
from convnext_dense.diagnosis.diagnosed_image import DiagnosedImage, LabelMaps, PackedMaps
from convnext_dense.diagnosis.findings.base import Facts, Findings, ObjectFindings
from convnext_dense.diagnosis.records import NO_LABEL, ClassifiedImage, DetectedImage, SegmentedImage, TrueObjects
from convnext_dense.io.coco_format import IGNORE_REGION
from convnext_dense.io.image_size import ImageSize

FACTS = Facts('top-1', None, None, None, 0, 'images', [])


def findings(values: dict, kinds: dict | None = None, objects: dict | None = None) -> Findings:
    return Findings([], [], [], values, kinds or {}, FACTS, objects=objects)


def image_file(path, size: ImageSize):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 8, 3), np.uint8)
    Image.fromarray(pixels).resize(size[::-1]).save(path)
    return str(path)


def classified(path: str, label: int = 0) -> DiagnosedImage:
    return DiagnosedImage(ClassifiedImage(path, np.array([0.1, 0.7, 0.2], np.float32), label))


def test_half_of_the_images_are_the_worst_and_the_others_spread_evenly():
    images = [classified(f'{number}') for number in range(100)]
    values = {f'{number}': float((number * 37) % 100) for number in range(100)}
    values['5'] = None
    collected = CollectedTest(images=images, spread=list(range(0, 100, 5)))
    chosen = choose_images(collected, findings(values), 20)
    worst = sorted((number for number in range(100) if number != 5), key=lambda number: values[str(number)])[:10]
    assert len(chosen) == 20 and set(worst) <= set(chosen)
    others = sorted(set(chosen) - set(worst))
    assert set(others) <= set(range(0, 100, 5)) and others[0] < 15 and others[-1] > 85
    assert np.diff(others).max() <= 20


def test_images_of_galleries_are_chosen_first_and_all_if_there_are_few():
    images = [classified(f'{number}') for number in range(10)]
    values = {f'{number}': float(number) for number in range(10)}
    collected = CollectedTest(images=images, spread=list(range(10)))
    chosen = choose_images(collected, findings(values), 4, wanted=[9, 8])
    assert {9, 8, 0, 1} == set(chosen)
    assert choose_images(collected, findings(values), 10) == list(range(10))
    assert len(choose_images(collected, None, 4)) == 4
    assert choose_images(collected, None, 0) == []


def test_a_classified_image_has_its_highest_scores(tmp_path):
    file = image_file(tmp_path / 'a.png', ImageSize(600, 960))
    collected = CollectedTest(images=[classified(file), classified(file, NO_LABEL)], metainfo={'classes': 'abc'})
    (shown, unknown), kept = show_images(collected, findings({file: 10.0}, {file: ['wrong']}), [0, 1], tmp_path)
    assert kept == [0, 1]
    assert shown.scores == [(1, 0.7), (2, 0.2), (0, 0.1)] and shown.label == 0 and shown.classes == [0, 1]
    assert (shown.width, shown.height, shown.value, list(shown.findings)) == (960, 600, 10.0, ['wrong'])
    assert unknown.label is None and unknown.classes == [1]
    written = Image.open(tmp_path / shown.file)
    assert written.format == 'JPEG' and written.size == (480, 300)
    whole = np.asarray(Image.open(file).resize((480, 300), Image.Resampling.BOX), float)
    assert np.abs(np.asarray(written, float) - whole).mean() < 6


def detected(path: str, size: ImageSize, predicted: int = 3, masks: bool = True) -> DiagnosedImage:
    polygon = [[20.0, 20.0, 60.0, 20.0, 60.0, 40.0, 20.0, 40.0]]
    truth = TrueObjects(
        np.array([[20.0, 20, 60, 40], [0, 0, 10, 10]]),
        np.array([2, IGNORE_REGION]),
        np.array([False, True]),
        np.array([800.0, 100]),
        [polygon, None] if masks else None,
    )
    scores = np.linspace(0.9, 0.01, predicted).astype(np.float32)[::-1]
    boxes = np.tile(np.array([[20, 20, 60.26, 40]], np.float32), (predicted, 1))
    record = DetectedImage(path, size, boxes, scores, np.arange(predicted) % 3, truth)
    return DiagnosedImage(record, size)


def test_a_detected_image_has_boxes_outlines_and_what_became_of_objects(tmp_path):
    size = ImageSize(80, 100)
    file = image_file(tmp_path / 'a.png', size)
    objects = {file: ObjectFindings(['duplicate', 'class', 'right'], ['found', 'ignored'])}
    collected = CollectedTest(images=[detected(file, size)], metainfo={'classes': 'abc'})
    ((shown,), _) = show_images(collected, findings({file: None}, objects=objects), [0], tmp_path)
    first, second = shown.truth
    assert (list(first.box), first.label, first.score, first.finding) == ([20, 20, 40, 20], 2, None, 'found')
    (polygon,) = first.outline
    assert (min(polygon[::2]), max(polygon[::2])) == pytest.approx((20, 60), abs=0.6)
    assert (second.label, second.finding, second.outline) == (None, 'ignored', None)
    best, middle = shown.predicted  # the third has a score that is too low
    assert (list(best.box), best.label, best.score, best.finding) == ([20, 20, 40.3, 20], 2, 0.9, 'right')
    assert (middle.label, middle.finding) == (1, 'class')
    assert shown.classes == [1, 2]


def test_an_image_has_a_limited_number_of_objects(tmp_path):
    size = ImageSize(80, 100)
    collected = CollectedTest(images=[detected(image_file(tmp_path / 'a.png', size), size, predicted=300)])
    collected.metainfo = {'classes': 'abc'}
    ((shown,), _) = show_images(collected, None, [0], tmp_path)
    scores = [one.score for one in shown.predicted]
    assert len(scores) == module.MOST_OBJECTS and scores == sorted(scores, reverse=True) and scores[0] == 0.9


@pytest.mark.parametrize('classes', [3, 300])
def test_label_maps_are_files_whose_pixels_are_classes(tmp_path, classes):
    size = ImageSize(20, 30)
    kind = np.uint8 if classes < 256 else np.uint16
    truth = np.full(size, np.iinfo(kind).max, kind)
    truth[5:] = classes - 1
    predicted = np.zeros(size, kind)
    image = DiagnosedImage(SegmentedImage(image_file(tmp_path / 'a.png', size), Confusion.sum(classes, ())), size)
    collected = CollectedTest(images=[image], maps={0: PackedMaps.of(LabelMaps(predicted, truth))})
    collected.metainfo = {'classes': [str(k) for k in range(classes)]}
    ((shown,), _) = show_images(collected, None, [0], tmp_path)
    assert shown.classes == [0, classes - 1] and shown.truth is None
    for file, labels in ((shown.truth_map, truth), (shown.predicted_map, predicted)):
        pixels = np.asarray(Image.open(tmp_path / file)).astype(int)
        assert ((pixels if pixels.ndim == 2 else pixels[..., 0] + 256 * pixels[..., 1]) == labels).all()


def test_images_that_are_gone_are_left_out_with_a_word(tmp_path, caplog):
    size = ImageSize(80, 100)
    here = image_file(tmp_path / 'a.png', size)
    images = [classified(str(tmp_path / 'gone.png')), classified(here)]
    collected = CollectedTest(images=images, metainfo={'classes': 'abc'})
    with caplog.at_level('WARNING', 'mmengine'):
        shown, kept = show_images(collected, None, [0, 1], tmp_path)
    assert kept == [1] and shown[0].path == here and (tmp_path / shown[0].file).is_file()
    assert '1 image not shown' in caplog.text and 'gone.png' in caplog.text


def test_large_images_are_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'MOST_DRAWN', 1000 * 1000)
    size = ImageSize(1200, 1500)
    file = image_file(tmp_path / 'a.png', size)
    collected = CollectedTest(images=[detected(file, size)], metainfo={'classes': 'abc'})
    ((shown,), _) = show_images(collected, None, [0], tmp_path)
    assert max(Image.open(tmp_path / shown.file).size) <= 480
    assert shown.truth[0].outline is None and (shown.width, shown.height) == (1500, 1200)
