"""Reading a diagnosis: broken files and parts are said, and the rest is taken."""

import json

import pytest

from convnext_dense.analysis.page.diagnosis import read
from tests.helpers import example_diagnoses as examples


def test_a_whole_one_is_read_without_problems(tmp_path):
    file = examples.write(examples.detection(tmp_path / 'diagnosis', 6), tmp_path / 'diagnosis')
    found = read(tmp_path)
    assert (found.file, found.problems, len(found.images)) == (file, [], 6)
    assert found.content['best_score'] == 0.4 and 'images' not in found.content
    assert read(tmp_path / 'diagnosis').file == file
    assert read(tmp_path / 'other').file is None and read(tmp_path / 'other').images == []


@pytest.mark.parametrize('text', ['', '{"headlines": [', '[]', '3', b'\xff\xfe'])
def test_a_broken_one_is_said(text, tmp_path):
    file = tmp_path / 'diagnosis.json'
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read(tmp_path)
    (problem,) = found.problems
    assert str(file) in problem and problem.endswith('diagnose the run again.')
    assert found.content == {} and found.images == []


def test_parts_of_another_version_are_left_out(tmp_path):
    folder = tmp_path / 'diagnosis'
    file = examples.write(examples.classification(folder, 4), folder)
    content = json.loads(file.read_text())
    content['headlines'] = [{'name': 'top-1'}, *content['headlines']]
    content['sections'] += [{'id': 'x'}, 5]
    content['images'][1] = {'path': 3}
    del content['steps']
    file.write_text(json.dumps(content))
    found = read(tmp_path)
    assert [
        word for word in ('headlines', 'steps', 'sections', 'images') if f'has {word} that' in ' '.join(found.problems)
    ] == [
        'headlines',
        'steps',
        'sections',
        'images',
    ]
    assert len(found.images) == 3 and len(found.content['headlines']) == 2 and found.get('steps', []) == []
    assert found.get('task', 5) == 5


def test_ids_of_sections_are_unique_and_none_of_the_page(tmp_path):
    section = {'title': 'T', 'blocks': [{'kind': 'text', 'text': 'x'}, 3]}
    ids = ['results', 'a', 'a', 'a-2', '']
    (tmp_path / 'diagnosis.json').write_text(
        json.dumps({'headlines': [], 'steps': [], 'images': [], 'sections': [{**section, 'id': id_} for id_ in ids]})
    )
    sections = read(tmp_path).content['sections']
    names = [one['id'] for one in sections]
    assert len(set(names)) == 5 and 'results' not in names and '' not in names and 'a' in names
    assert sections[0]['blocks'] == [{'kind': 'text', 'text': 'x'}]
