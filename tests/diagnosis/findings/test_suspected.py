import numpy as np
import pytest

from convnext_dense.diagnosis.findings import classification
from convnext_dense.diagnosis.findings.suspected import doubts_about_model, strongly_suspected, suspects_section
from convnext_dense.diagnosis.records import ClassifiedImage
from convnext_dense.diagnosis.suspects import Suspect

NAMES = ['cat', 'dog', 'cow']
SUSPECTS = [
    Suspect('b', 'class', 0.9, 0, 1),
    Suspect('a', 'no label', 0.6, None, 2),
    Suspect('b', 'box', 0.2, 1, 1),
]


def test_the_section_of_suspects():
    section = suspects_section(SUSPECTS, {'a': 0, 'b': 1}, NAMES, 40, 'object')
    assert section.lead == (
        '2 labels are contradicted strongly (strength 0.5 or more), and 1 more weakly, in 40 objects; the first: '
        'labeled cat, seems dog (b).'
    )
    gallery, table = section.blocks
    assert gallery.images == [1, 0, 1]
    assert gallery.captions == [
        'labeled cat, seems dog (strength 0.90)',
        'a cow seems to lack its label (strength 0.60)',
        'dog seems to lie elsewhere (strength 0.20)',
    ]
    assert table.rows == [['of another class', 1], ['object without a label', 1], ['lies elsewhere', 1]]
    weak = suspects_section(SUSPECTS[2:], {'b': 1}, NAMES, 40, 'object', 'The model is too weak.')
    assert weak.lead == (
        'The model is too weak. 1 label is contradicted weakly, none strongly (strength 0.5 or more), in 40 objects; '
        'the first: dog seems to lie elsewhere (b).'
    )
    none = suspects_section([], {}, NAMES, 40, 'object')
    assert none.lead == 'None of 40 objects is contradicted by a prediction.'
    assert suspects_section([], {}, NAMES, 0, 'object').lead == 'Without labels none can be wrong.'
    assert strongly_suspected(SUSPECTS) == SUSPECTS[:2]


@pytest.mark.parametrize(
    ('labels', 'value', 'most', 'said'),
    [
        (15, 80.0, 20.0, ''),  # 3 of 15 are just as many as a good model may suspect
        (14, 80.0, 20.0, 'it contradicts 21% of the labels'),
        (99, 49.9, 20.0, 'its top-1 is 50%'),
        (99, 50.0, 20.0, ''),
        (5, 30.0, 20.0, 'its top-1 is 30% and it contradicts 60% of the labels'),
        (3, 80.0, 100.0, ''),
        (2, 80.0, 100.0, 'it contradicts 1.5 regions per image'),
        (0, 30.0, 20.0, ''),
        (99, None, 20.0, ''),
    ],
)
def test_a_weak_model_does_not_judge_labels(labels, value, most, said):
    suspects = [Suspect(str(n), 'class', 0.1, 0, 1) for n in range(3)]
    text = doubts_about_model(suspects, labels, 'top-1', value, 50.0, most)
    assert text == said or text == (
        f'The model is too weak to judge labels: {said}, so that these are mostly its own errors.'
    )


def test_objects_that_are_not_found_tell_nothing_of_the_model():
    absent = [Suspect(str(n), 'no object', 0.1, 0) for n in range(9)]
    assert doubts_about_model(absent, 10, 'box AP', 40.0, 10.0) == ''
    assert doubts_about_model([], 10, 'box AP', 1.0, 10.0) == ''


@pytest.mark.parametrize(('right', 'judges'), [(2, False), (12, True)])
def test_suspicions_of_a_classifier_come_with_its_doubts(right, judges):
    """18 or 1 of 20 or 13 images are taken for another class with a score of 0.55."""
    wrong = 18 if not judges else 1
    scores = [(np.array([0.55, 0.45], np.float32), 0)] * right + [(np.array([0.45, 0.55], np.float32), 0)] * wrong
    scores += [(np.array([0.5, 0.5], np.float32), 1)]
    images = [ClassifiedImage(f'{n}.jpg', own, label) for n, (own, label) in enumerate(scores)]
    found = classification.find(images, ['a', 'b'], resamples=20)
    lead = next(section.lead for section in found.sections if section.id == 'suspects')
    assert found.suspects and found.facts.judges_labels is judges
    assert lead.startswith('The model is too weak to judge labels') is not judges
