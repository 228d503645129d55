import pytest

from convnext_dense.diagnosis.reading import find_diagnosis, read_diagnosis
from convnext_dense.errors import UserError


def test_the_diagnosis_of_a_run_is_found_and_one_in_a_folder_of_its_own(tmp_path):
    assert find_diagnosis(tmp_path) is None
    (tmp_path / 'diagnosis').mkdir()
    (tmp_path / 'diagnosis/diagnosis.json').write_text('{"headlines": []}')
    assert find_diagnosis(tmp_path) == find_diagnosis(tmp_path / 'diagnosis') == tmp_path / 'diagnosis/diagnosis.json'
    assert read_diagnosis(tmp_path / 'diagnosis/diagnosis.json') == {'headlines': []}


@pytest.mark.parametrize('text', ['{', '[]', '{"a": 1}'])
def test_a_file_of_something_else_is_named(tmp_path, text):
    (tmp_path / 'diagnosis.json').write_text(text)
    with pytest.raises(UserError, match=r'diagnosis\.json .*diagnose the run again'):
        read_diagnosis(tmp_path / 'diagnosis.json')
