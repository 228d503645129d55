"""JSON files of annotations."""

import pytest

from convnext_dense.data.formats.json_files import begins_with_object, read_json
from convnext_dense.errors import UserError


def test_a_byte_order_mark_is_no_part_of_json(tmp_path):
    (tmp_path / 'a.json').write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / 'a.json') == {'a': 1}


@pytest.mark.parametrize('content', [b'', b'{', b'\xff\xfe{', b'[' * 100_000])
def test_other_content_is_refused_in_a_line(tmp_path, content):
    (tmp_path / 'a.json').write_bytes(content)
    with pytest.raises(UserError, match=r'a\.json is not JSON') as error:
        read_json(tmp_path / 'a.json')
    assert '\n' not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r'a\.json cannot be read \(No such file'):
        read_json(tmp_path / 'a.json')


@pytest.mark.parametrize(
    ('content', 'is_object'),
    [(b'{', True), (b'\xef\xbb\xbf \n{"a"', True), (b'\n\n {', True), (b'[{', False), (b'', False), (b'\xff{', False)],
)
def test_objects_are_known_by_their_beginning(content, is_object):
    assert begins_with_object(content) == is_object
