import json

import numpy as np
import pytest

from convnext_dense.analysis.diagnosis_file import plain, read_diagnosis, write_diagnosis
from convnext_dense.diagnosis.content import Diagnosis, Headline, Section, Table
from convnext_dense.errors import UserError

TABLE = Table('a table', [], [[np.int64(3), np.float32(0.5), float('nan'), 'text', None]])
DIAGNOSIS = Diagnosis(
    task='detection',
    classes=['cat'],
    colors=[(1, 2, 3)],
    weights='raw',
    data='here',
    checkpoint='a.pth',
    command='diagnose',
    tested_images=2,
    headlines=[Headline('AP', 1.5, None, float('inf'))],
    sections=[Section('one', 'One', [TABLE])],
    steps=[],
    images=[],
    best_scores={'cat': 0.25},
)


def test_a_diagnosis_is_written_and_read_with_null_for_what_is_no_number(tmp_path):
    write_diagnosis(DIAGNOSIS, tmp_path)
    content = read_diagnosis(tmp_path / 'diagnosis.json')
    assert content['headlines'] == [
        {'name': 'AP', 'value': 1.5, 'low': None, 'high': None, 'unit': '%', 'lower_is_better': False}
    ]
    assert content['sections'][0]['blocks'][0]['rows'] == [[3, 0.5, None, 'text', None]]
    assert content['sections'][0]['blocks'][0]['kind'] == 'table'
    assert content['best_scores'] == {'cat': 0.25} and content['colors'] == [[1, 2, 3]]
    assert 'NaN' not in (tmp_path / 'diagnosis.json').read_text()


def test_arrays_become_lists():
    assert json.dumps(plain({1: np.array([[1.0, np.nan]])})) == '{"1": [[1.0, null]]}'


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UserError, match=r'absent cannot be written .*--out'):
        write_diagnosis(DIAGNOSIS, tmp_path / 'absent')
