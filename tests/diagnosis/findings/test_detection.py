import dataclasses
import json

import numpy as np
import pytest

from convnext_dense.diagnosis.detection_errors import KINDS
from convnext_dense.diagnosis.findings.detection import find
from tests.diagnosis.findings.test_detection_analysis import scenes
from tests.diagnosis.test_average_precision import CLASSES, coco_ap
from tests.helpers.detected_images import detected_image, random_images


@pytest.mark.parametrize('masks', [False, True])
def test_all_sections_and_headlines(masks):
    images = random_images(20, 3, seed=4, masks=masks)
    findings = find(images, CLASSES, masks, resamples=30)
    ids = [section.id for section in findings.sections]
    assert ids == ['precision', 'classes', 'errors', 'confusions', 'scores', 'samples', 'suspects']
    assert all(section.lead for section in findings.sections)
    json.dumps([dataclasses.asdict(one) for one in findings.sections + findings.headlines], allow_nan=False)
    prefix = 'mask' if masks else 'box'
    expected = coco_ap(images, masks)[0]
    values = {one.name: one.value for one in findings.headlines}
    assert values[f'{prefix} AP'] == pytest.approx(expected[f'{prefix}_AP']) == findings.facts.value
    assert values[f'{prefix} AP, small objects'] == pytest.approx(expected[f'{prefix}_APs'])
    if masks:
        assert values['box AP50'] == pytest.approx(coco_ap(images)[0]['box_AP50'])
    paths = [image.path for image in images]
    assert list(findings.values) == list(findings.image_findings) == list(findings.objects) == paths
    assert {kind for kinds in findings.image_findings.values() for kind in kinds} <= {
        *KINDS,
        'label contradicted strongly',
    }
    assert findings.best_scores.keys() <= set(CLASSES)


def test_facts_and_images_by_hand():
    findings = find(scenes(), ['cat', 'dog'], resamples=20)
    cat = findings.facts.classes[0]
    assert (cat.name, cat.examples, cat.images, cat.recall) == ('cat', 3, 2, pytest.approx(200 / 3))
    assert findings.facts.error_counts == dict.fromkeys(KINDS, 0) | {'class': 1, 'location': 1, 'duplicate': 1}
    assert findings.facts.labels == 5 and findings.facts.confusions[0].true == 'dog'
    assert findings.facts.sizes['small'].objects == 5 and findings.facts.aspects['square'].share == 100
    # first: 3 right, 1 wrong, nothing missed; second: none of 2 predictions right, 2 objects
    assert findings.values == pytest.approx({'first.jpg': 600 / 7, 'second.jpg': 0})


def test_no_objects():
    images = [detected_image([], [((0, 0, 9, 9), 1, 0.7), ((0, 0, 9, 9), 1, 0.2)]), detected_image(path='b.jpg')]
    findings = find(images, ['cat', 'dog'])
    (section,) = findings.sections
    assert section.lead.startswith('The 2 images have no annotated objects: only what is predicted can be shown')
    assert section.blocks[0].rows == [['cat', 0, 0, 0, 0, 0], ['dog', 2, 1, 1, 1, 0]]
    assert sum(section.blocks[1].series[0].y) == 2
    assert findings.headlines == [] and findings.best_scores == {} and findings.facts.value is None
    assert findings.objects['a.jpg'].predicted == ['background', 'background']
    json.dumps(dataclasses.asdict(section), allow_nan=False)
    empty = find([detected_image()], ['cat'])
    assert empty.sections[0].lead == 'There are neither annotated nor predicted objects.'
    assert find([], ['cat']).values == {}


def test_no_predictions():
    findings = find([detected_image([((0, 0, 20, 20), 0)])], ['cat', 'dog'], resamples=10)
    assert findings.headlines[0].value == 0 and findings.values == {'a.jpg': 0}
    assert findings.image_findings == {'a.jpg': ['missed']}
    dog = findings.facts.classes[1]
    assert (dog.metric, dog.recall, findings.facts.classes[0].recall) == (None, None, 0)
    json.dumps([dataclasses.asdict(one) for one in findings.sections], allow_nan=False)


def test_hundreds_of_classes():
    rng = np.random.default_rng(0)
    images = [
        detected_image(
            [((0, 0, 20, 20), int(rng.integers(300)))],
            [((1, 0, 20, 20), int(rng.integers(300)), 0.5)],
            path=f'{i}.jpg',
        )
        for i in range(400)
    ]
    findings = find(images, [f'c{k}' for k in range(300)], resamples=5)
    by_id = {section.id: section for section in findings.sections}
    assert len(by_id['classes'].blocks[0].rows) == 300 and len(by_id['confusions'].blocks[0].rows) == 41
