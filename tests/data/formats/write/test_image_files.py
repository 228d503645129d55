"""Files that are taken for images, and those that are not."""

import base64
import json
import re

import pytest
from PIL import Image

from convnext_dense.data.formats.write.image_files import check_image, read_embedded, read_file
from convnext_dense.errors import UserError
from tests.helpers.labeled import image


def test_an_image_is_told_by_its_suffix_and_its_header(tmp_path):
    file = image(tmp_path / 'a.PNG').file
    assert check_image(file) == '.png'
    for name, said in (
        ('a.gif', 'is listed as an image and has no suffix of one (.jpg, .jpeg, '),
        ('a', 'is listed as an image and has no suffix of one (.jpg, .jpeg, '),
        ('a.jpg', '(not an image): restore it, or remove it and its entry'),
        ('b.jpg', '(No such file or directory): restore it, or remove it and its entry'),
    ):
        if name[0] == 'a':
            (tmp_path / name).write_bytes(b'GIF89a?')
        with pytest.raises(UserError, match=re.escape(f'{name} {said}')):
            check_image(str(tmp_path / name))
    with pytest.raises(UserError, match='No such file'):
        read_file(str(tmp_path / 'c.jpg'))


@pytest.mark.parametrize(
    ('kind', 'suffix'), [('JPEG', '.jpg'), ('PNG', '.png'), ('TIFF', '.tif'), ('MPO', '.jpg'), ('GIF', None)]
)
def test_an_image_in_a_json_file_has_the_suffix_of_its_format(tmp_path, kind, suffix):
    Image.new('RGB', (6, 4)).save(tmp_path / 'a', format=kind, **({'save_all': True} if kind == 'MPO' else {}))
    text = base64.b64encode((tmp_path / 'a').read_bytes()).decode()
    (tmp_path / 'a.json').write_text(json.dumps({'imageData': text}))
    content = read_embedded(str(tmp_path / 'a.json'))
    if suffix:
        assert check_image(str(tmp_path / 'a.json'), content) == suffix
    else:
        with pytest.raises(UserError, match=r'a.json has the format GIF: save it as JPEG or PNG$'):
            check_image(str(tmp_path / 'a.json'), content)


@pytest.mark.parametrize('text', ['{"a": 1}', '["secret"]', 'secret', json.dumps({'imageData': 'c2VjcmV0'})])
def test_other_json_files_are_no_images(tmp_path, text):
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(UserError, match=r'^bad image .*a.json \(.*\): restore it, or remove it and its entry$'):
        check_image(str(tmp_path / 'a.json'), read_embedded(str(tmp_path / 'a.json')))
