"""CSV files as spreadsheets and scripts write them."""

import csv

import pytest

from convnext_dense.data.formats.csv_rows import LONGEST_CELL, column_key, find_columns, first_row, read_rows
from convnext_dense.errors import UserError

ROWS = [(1, ['name', 'x']), (2, ['ä, b', '1']), (4, ['c', '"2'])]


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
@pytest.mark.parametrize('separator', [',', ';', '\t'])
@pytest.mark.parametrize('end', ['\n', '\r\n'])
def test_rows(tmp_path, encoding, separator, end):
    lines = ['name', 'x'], ['"ä, b"', ' 1 '], ['', ''], ['c', '"""2"']
    (tmp_path / 'a.csv').write_bytes(end.join(separator.join(cells) for cells in lines).encode(encoding))
    assert list(read_rows(tmp_path / 'a.csv')) == ROWS
    assert first_row(tmp_path / 'a.csv') == ['name', 'x']


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (b'a,b\n1,"2\n3,4\n5,6\n', 'a.csv:2: a quote without an end, or a cell of several lines'),
        (b'a,b\n' + b'1' * (LONGEST_CELL + 1) + b',2\n', r'a.csv:2: not CSV \(field larger than field limit'),
        (b'a,b\n"1"2,3\n', 'a.csv:2: not CSV'),
        (b'a,b\n1,"2', r'a.csv:2: not CSV \(unexpected end of data'),
        (b'a,b\n\xe9,1\n', 'a.csv is not text in UTF-8: save it in UTF-8'),
        (b'\xff\xfea,b', 'a.csv is not text in UTF-8'),
        (None, r'a.csv cannot be read \(No such file or directory\)'),
    ],
)
def test_bad_files(tmp_path, content, said):
    if content is not None:
        (tmp_path / 'a.csv').write_bytes(content)
    with pytest.raises(UserError, match=said):
        list(read_rows(tmp_path / 'a.csv'))


def test_a_file_without_a_first_row(tmp_path):
    (tmp_path / 'a.csv').write_bytes(b'\n\n')
    assert [first_row(tmp_path / name) for name in ('a.csv', 'none.csv', '')] == [[], [], []]


def test_columns(tmp_path):
    assert [column_key(name) for name in ('X_Min', 'x min', 'ImageID', '#file')] == ['xmin', 'xmin', 'imageid', 'file']
    assert find_columns(tmp_path, ['X_Min', '', '']) == {'xmin': 0, '': 2}
    with pytest.raises(UserError, match='two columns are called x_min: rename one'):
        find_columns(tmp_path, ['XMin', 'x_min'])


def test_the_limit_of_cells_stays_for_others(tmp_path):
    (tmp_path / 'a.csv').write_text('a,b\n' + '1' * 200_000 + ',2\n')
    before = csv.field_size_limit()
    assert [len(cells[0]) for _, cells in read_rows(tmp_path / 'a.csv')] == [1, 200_000]
    assert first_row(tmp_path / 'a.csv') == ['a', 'b']
    assert csv.field_size_limit() == before


def test_a_long_line_is_no_row_of_names(tmp_path, monkeypatch):
    (tmp_path / 'a.json').write_text('{"a": [' + '1, ' * 30_000 + '1]}')
    monkeypatch.setattr('convnext_dense.data.formats.csv_rows.read_rows', None)
    assert first_row(tmp_path / 'a.json') == []
