import json

import numpy as np
import pytest
from PIL import Image

from convnext_dense.analysis.collect import CollectedTest
from convnext_dense.analysis.diagnose import Source, diagnose
from convnext_dense.diagnosis.diagnosed_image import DiagnosedImage
from convnext_dense.diagnosis.records import NO_LABEL, ClassifiedImage
from convnext_dense.tasks import TASKS
from tests.helpers.detected_images import detected_image

CLASSES = ['cat', 'dog', 'cow']
CLASSIFIER = Source(TASKS['classification'], 'photos', 'a.pth', 'convnext-dense diagnose run')
DETECTOR = Source(TASKS['detection'], 'photos', 'a.pth', 'convnext-dense diagnose run')


def classified(folder, count: int, label: int | None = None) -> CollectedTest:
    rng = np.random.default_rng(0)
    images = []
    for number in range(count):
        file = folder / f'{number}.png'
        Image.new('RGB', (8, 6), (number, 0, 0)).save(file)
        scores = rng.dirichlet(np.ones(3)).astype(np.float32)
        own = number % 3 if label is None else label
        images.append(DiagnosedImage(ClassifiedImage(str(file), scores, own), has_truth=own != NO_LABEL))
    has_truth = label != NO_LABEL
    return CollectedTest('ema', images, list(range(count)), {}, {'classes': CLASSES}, {}, has_truth)


def test_a_diagnosis_says_what_was_tested_and_is_written(tmp_path):
    (tmp_path / 'out').mkdir()
    diagnosis, findings = diagnose(classified(tmp_path, 30), CLASSIFIER, tmp_path / 'out', 10)
    assert (diagnosis.task, diagnosis.weights, diagnosis.tested_images) == ('classification', 'ema', 30)
    assert (diagnosis.data, diagnosis.checkpoint, diagnosis.command) == CLASSIFIER[1:]
    assert findings is not None and diagnosis.headlines == findings.headlines
    assert len(diagnosis.images) == 10 and len(diagnosis.colors) == 3
    content = json.loads((tmp_path / 'out/diagnosis.json').read_text())
    assert [one['name'] for one in content['headlines']] == [one.name for one in diagnosis.headlines]
    assert sorted(f'images/{file.name}' for file in (tmp_path / 'out/images').iterdir()) == [
        one['file'] for one in content['images']
    ]


def test_without_ground_truth_predictions_are_counted_and_can_be_browsed(tmp_path):
    collected = classified(tmp_path, 5, label=NO_LABEL)
    diagnosis, findings = diagnose(collected, CLASSIFIER, tmp_path, 10)
    assert findings is None and not diagnosis.headlines and len(diagnosis.images) == 5
    text, table, gallery = diagnosis.sections[0].blocks
    assert 'no ground truth' in text.text and '5 images can be browsed' in text.text
    expected = np.bincount([image.record.scores.argmax() for image in collected.images], minlength=3)
    assert [(name, times) for name, times, _ in table.rows] == list(zip(CLASSES, expected.tolist(), strict=True))
    confidence = [image.record.scores.max() for image in collected.images]
    assert gallery.images == np.argsort(confidence).tolist() and gallery.title == 'Least confident'
    assert not (tmp_path / 'records.npz').exists() and all(one.findings == [] for one in diagnosis.images)


def test_predicted_objects_are_counted_by_score(tmp_path):
    predicted = [((0, 0, 5, 5), 0, 0.95), ((0, 0, 5, 5), 0, 0.4), ((0, 0, 5, 5), 2, 0.3)]
    image = DiagnosedImage(detected_image((), predicted), has_truth=False)
    collected = CollectedTest(images=[image], metainfo={'classes': CLASSES}, has_truth=False)
    diagnosis, _ = diagnose(collected, DETECTOR, tmp_path, 0)
    text, table, chart = diagnosis.sections[0].blocks
    rows = [list(row) for row in table.rows]
    assert 'no ground truth' in text.text and sum(chart.series[0].y) == 3
    assert rows == [['cat', 2, 2, 1, 1, 1], ['dog', 0, 0, 0, 0, 0], ['cow', 1, 1, 0, 0, 0]]
    assert not diagnosis.images and not (tmp_path / 'images').exists()


@pytest.mark.parametrize('tested', [CLASSIFIER, DETECTOR])
def test_a_test_set_without_a_readable_image_has_a_diagnosis(tmp_path, tested):
    diagnosis, findings = diagnose(CollectedTest(metainfo={'classes': CLASSES}), tested, tmp_path, 10)
    assert findings is None and diagnosis.tested_images == 0
    assert 'no image could be tested' in diagnosis.sections[0].blocks[0].text
