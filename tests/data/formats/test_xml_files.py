"""XML files, as a whole and element by element."""

import pytest

from convnext_dense.data.formats import xml_files
from convnext_dense.data.formats.xml_files import iterate_xml, read_xml
from convnext_dense.errors import UserError

TEXT = '<?xml version="1.0"?>\n<list>\n  <a x="1">\n    <b>one</b>\n    <b> two </b>\n  </a>\n  <c/>\n</list>\n'


@pytest.mark.parametrize('chunk', [1, 7, 1 << 20])
def test_children_of_the_root_have_their_lines(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(xml_files, 'CHUNK', chunk)
    (tmp_path / 'a.xml').write_text(TEXT)
    first, second = iterate_xml(tmp_path / 'a.xml', 'list')
    assert (first.tag, first.attributes, first.line) == ('a', {'x': '1'}, 3)
    assert [(child.text, child.line) for child in first.children] == [('one', 4), (' two ', 5)]
    assert [element.text for element in first.find_all('b')] == ['one', ' two ']
    assert (first.text_at('b'), first.text_at('z')) == ('one', '')
    assert (second.tag, second.line) == ('c', 7)


BOMB = '<!DOCTYPE list [{}<!ENTITY e9 "&e8;&e8;">]>'.format(
    '<!ENTITY e0 "lol">' + ''.join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (f'{BOMB}<list>&e9;</list>', 'defines a document type or entities'),
        ('<!DOCTYPE list SYSTEM "file:///etc/passwd"><list/>', 'defines a document type or entities'),
        ('<!DOCTYPE list><list/>', 'defines a document type or entities'),
        ('<list>&x;</list>', 'is not XML (undefined entity'),
        ('<other/>', 'is of <other> rather than <list>'),
        ('<list>', 'is not XML (no element found'),
        ('', 'is not XML (no element found'),
        ('\0', 'is not XML ('),
        ('<list/><list/>', 'is not XML (junk after document element'),
        ('<?xml version="1.0" encoding="shift_jis_2004"?><list/>', 'is not XML ('),
        ('<?xml version="1.0" encoding="no"?><list/>', 'is not XML ('),
    ],
)
def test_other_content_is_refused_in_a_line(tmp_path, text, message):
    path = tmp_path / 'a.xml'
    path.write_text(text)
    with pytest.raises(UserError) as error:
        list(iterate_xml(path, 'list'))
    assert str(error.value).startswith(f'{path} {message}')
    assert '\n' not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r'a\.xml cannot be read \(No such file'):
        list(iterate_xml(tmp_path / 'a.xml', 'list'))


def test_depth_is_no_danger(tmp_path):
    (tmp_path / 'a.xml').write_text('<list>' + '<a>' * 20_000 + '</a>' * 20_000 + '</list>')
    (element,) = iterate_xml(tmp_path / 'a.xml', 'list')
    assert element.tag == 'a'


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16', 'gbk', 'big5', 'iso-8859-1', 'cp1252'])
def test_a_whole_file_is_read_in_any_encoding(encoding):
    name = '犬' if encoding in ('utf-8', 'utf-16', 'gbk', 'big5') else 'é'
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n<list>\n  <a><b>{name}</b></a>\n</list>'
    root = read_xml(text.encode(encoding), 'a.xml')
    assert (root.tag, root.line, root.text_at('a', 'b')) == ('list', 2, name)
    assert [(element.tag, element.line) for element in root.below()] == [('a', 3), ('b', 3)]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (f'<?xml version="1.0" encoding="gbk"?>{BOMB}<list>&e9;</list>'.encode(), 'defines a document type'),
        (b'<?xml version="1.0" encoding="gbk"?><list>\xff</list>', 'is not XML ('),
        (b'<?xml version="1.0" encoding="rot13"?><list/>', 'is not XML ('),
        (b'<list>', 'is not XML (no element found'),
        (b'', 'is not XML (no element found'),
    ],
)
def test_a_whole_file_of_other_content_is_refused_in_a_line(content, message):
    with pytest.raises(UserError) as error:
        read_xml(content, 'a.xml')
    assert str(error.value).startswith(f'a.xml {message}') and '\n' not in str(error.value)
