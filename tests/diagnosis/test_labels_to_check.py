import pytest

from convnext_dense.diagnosis.content import Section, Table, Text
from convnext_dense.diagnosis.labels_to_check import in_order, reason, with_table
from convnext_dense.diagnosis.suspects import Suspect

CLASSES = ['cat', 'dog']
BOX = (0.0, 0.0, 5.0, 5.0)


@pytest.mark.parametrize(
    ('suspect', 'said'),
    [
        (Suspect('a', 'class', 0.3, 0, 1, score=0.47), 'the model takes the image for dog (score 0.47), not cat'),
        (Suspect('a', 'class', 0.5, 0, 1, BOX, score=0.9), 'the model takes this for dog (score 0.90), not cat'),
        (Suspect('a', 'class', 0.5, 0, 1, BOX), 'the model takes this for dog, not cat'),
        (Suspect('a', 'box', 0.5, 0, 0, BOX), 'the model finds cat at another place nearby: this box'),
        (Suspect('a', 'no label', 0.5, None, 1, BOX), 'the model finds dog here, where nothing is annotated'),
        (
            Suspect('a', 'no object', 0.5, 0, None, BOX),
            'the model sees less of cat here than in other objects of this class and size',
        ),
        (Suspect('a', 'duplicate', 1, 0, 1, other_path='b'), 'almost the same image has the label dog: b'),
        (Suspect('a', 'duplicate', 1, 0, None, other_path='b'), 'almost the same image lacks this label: b'),
        (Suspect('a', 'leak', 1, other_path='b'), 'almost the same image is used for training: b'),
    ],
)
def test_each_kind_has_its_reason(suspect, said):
    assert reason(suspect, CLASSES) == said


def test_leaks_stand_behind_others():
    suspects = [
        Suspect('a', 'leak', 1.0, other_path='x'),
        Suspect('b', 'class', 0.2, 0, 1),
        Suspect('c', 'class', 0.3),
    ]
    assert [one.path for one in in_order(suspects)] == ['c', 'b', 'a']


def test_a_table_is_added_to_the_section():
    suspects = [Suspect(f'{n:03}', 'class', n / 1000, 0, 1) for n in range(600)]
    suspects += [Suspect('train/x', 'duplicate', 0.99, 1, 0, other_path='train/y'), Suspect('001', 'leak', 1.0)]
    before = [Section('classes', 'Classes', []), Section('suspects', 'Labels to check', [Text('Look.')], 'Lead.')]
    classes, section = with_table(before, suspects, CLASSES)
    assert classes == before[0] and section.lead == 'Lead.'
    text, table = section.blocks
    assert text == Text('Look.') and isinstance(table, Table) and len(table.rows) == 500
    assert table.rows[0][:5] == [1, 'train/x', 'dog', 'cat', 0.99]
    assert table.rows[1][:5] == [2, '599', 'cat', 'dog', pytest.approx(0.599)]
    assert table.columns[4].kind == 'score'  # as in captions and in suspects.csv
    assert table.note == 'The first 500 of 601 labels. All are in suspects.csv beside this diagnosis.'
    assert all(len(row) == len(table.columns) for row in table.rows)


def test_the_section_is_made_if_there_is_none():
    (section,) = with_table([], [Suspect('a', 'class', 0.9, 0, 1, BOX)], CLASSES)
    assert (section.id, section.lead) == ('suspects', '1 label is suspected to be wrong.')
    assert with_table([], [Suspect('001', 'leak', 1.0)], CLASSES) == []
