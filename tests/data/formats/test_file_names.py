"""Names of files as tools write them, against the files of a folder."""

import unicodedata

import pytest

from convnext_dense.data.formats.file_names import Folder

NFC = unicodedata.normalize('NFC', 'é/ü.jpg')
NFD = unicodedata.normalize('NFD', 'é/ü.jpg')


def folder(tmp_path, *files: str) -> Folder:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ('name', 'file'),
    [
        ('a/b.jpg', 'a/b.jpg'),
        ('./a/b.jpg', './a/b.jpg'),
        ('a\\b.jpg', 'a/b.jpg'),
        ('.\\a\\b.jpg', 'a/b.jpg'),
        ('a\\\\b.jpg', 'a/b.jpg'),
        ('C:\\Users\\me\\a\\b.jpg', 'a/b.jpg'),
        ('D:/data/a/b.jpg', 'a/b.jpg'),
        ('/home/me/data/a/b.jpg', 'a/b.jpg'),
        ('../images/a/b.jpg', 'a/b.jpg'),
        ('file:///data/a/b.jpg', 'a/b.jpg'),
        ('https://host.org/x/a/b.jpg?raw=1#top', 'a/b.jpg'),
        ('s3://bucket/a/b.jpg', 'a/b.jpg'),
        ('a/b.JPG', 'a/b.jpg'),
        ('A/B.jpg', 'a/b.jpg'),
        ('my%20file.jpg', 'my file.jpg'),
        ('https://host.org/my%20file.jpg', 'my file.jpg'),
        ('100%.jpg', '100%.jpg'),
        ('a%20b%20.jpg', 'a%20b%20.jpg'),  # a file of this name
        (NFC, NFD),
        ('/data/local-files/?d=a/b.jpg', 'a/b.jpg'),
        ('http://host.org/data/local-files/?d=x%2Fa/my%20file.jpg', 'my file.jpg'),
        ('/data/upload/3/0a1b2c3d-my file.jpg', 'my file.jpg'),
        ('a/0a1b2c3d__b.jpg', 'a/b.jpg'),
        ('a/COCO_val2014_b.jpg', 'a/b.jpg'),
    ],
)
def test_names_written_in_another_way(tmp_path, name, file):
    files = ('a/b.jpg', 'my file.jpg', '100%.jpg', 'a%20b%20.jpg', 'deep/er/file.jpg', NFD)
    assert folder(tmp_path, *files).match([name]) == {name: file}


@pytest.mark.parametrize(
    ('name', 'file'),
    [
        ('b.jpg', 'a/b.jpg'),
        ('/elsewhere/b.jpg', 'a/b.jpg'),
        ('FILE.jpg', 'deep/er/file.jpg'),
        ('er\\file.jpg', 'deep/er/file.jpg'),
        ('../x/er/file.jpg', 'deep/er/file.jpg'),
    ],
)
def test_files_in_folders_below(tmp_path, name, file):
    listed = folder(tmp_path, 'a/b.jpg', 'deep/er/file.jpg')
    assert listed.match([name]) == {name: None}
    assert listed.match([name], search=True) == {name: file}


@pytest.mark.parametrize(
    ('files', 'names'),
    [
        (('b.JPG', 'b.Jpg'), ['b.jpg']),  # two fit
        (('a/b.jpg', 'A/b.jpg'), ['x\\A.\\b.jpg']),
        (('b.jpg',), ['x/b.jpg', 'y/b.jpg']),  # one file for two names
        (('b.jpg',), ['c.jpg', '']),
        (('x/b.jpg', 'y/b.jpg'), ['b.jpg', '/z/b.jpg']),
        (('val/b.jpg',), ['train/b.jpg']),  # of another folder
        (('x/b.jpg',), ['0a1b2c3-b.jpg', 'zzzzzzzz-b.jpg']),  # not of Label Studio
        ((), ['http://[', '\0', 'x' * 300]),
    ],
)
def test_what_is_not_unique_or_not_there(tmp_path, files, names):
    assert folder(tmp_path, *files).match(names, search=True) == dict.fromkeys(names)


def test_a_name_of_its_own_keeps_its_file(tmp_path):
    listed = folder(tmp_path, 'b.jpg', 'c.JPG')
    assert listed.match(['b.jpg', 'x/b.jpg', 'c.jpg']) == {'b.jpg': 'b.jpg', 'x/b.jpg': None, 'c.jpg': 'c.JPG'}
    assert listed.match(['b.jpg', './b.jpg']) == {'b.jpg': 'b.jpg', './b.jpg': './b.jpg'}


def test_the_nearest_name(tmp_path):
    listed = folder(tmp_path, 'a/0001.jpg', 'a/0002.jpg', 'img_7.png')
    assert listed.nearest('a/0002.png') == '0002.jpg'
    assert listed.nearest('x/img-7.png') == 'img_7.png'
    assert listed.nearest('zzz') is None
