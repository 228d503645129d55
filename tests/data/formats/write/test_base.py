"""Folders that are written: their images, names, notes, and that they are complete or absent."""

import os

import pytest

from convnext_dense.data.formats import FORMATS
from convnext_dense.data.formats.write import WRITERS, base, write_data_set
from convnext_dense.data.formats.write.base import LabeledData, Notes, Target
from convnext_dense.errors import UserError
from tests.helpers.labeled import CLASSES, image, triangle, write


@pytest.mark.parametrize('images', ['link', 'copy', 'none'])
def test_images_are_linked_copied_or_left(tmp_path, images):
    one = image(tmp_path / 'a.png', triangle())
    written = write(tmp_path / 'out', 'yolo', one, images=images)
    target = tmp_path / 'out/images/train/a.png'
    assert (written.links, written.copies) == {'link': (1, 0), 'copy': (0, 1), 'none': (0, 0)}[images]
    assert target.exists() == (images != 'none')
    if target.exists():
        assert target.samefile(one.file) == (images == 'link')
        assert target.read_bytes() == (tmp_path / 'a.png').read_bytes()


def test_images_are_copied_where_there_can_be_no_links(tmp_path, monkeypatch):
    def link(*_):
        raise OSError(18, 'Invalid cross-device link')

    monkeypatch.setattr(os, 'link', link)
    written = write(tmp_path / 'out', 'coco', image(tmp_path / 'a.png', triangle()))
    assert (written.links, written.copies) == (0, 1)
    assert (tmp_path / 'out/train2017/a.png').read_bytes() == (tmp_path / 'a.png').read_bytes()


def test_a_link_to_an_image_becomes_a_link_to_its_file(tmp_path):
    one = image(tmp_path / 'a.png', triangle())
    (tmp_path / 'b.png').symlink_to('a.png')
    one.file, one.name = str(tmp_path / 'b.png'), 'b.png'
    write(tmp_path / 'out', 'coco', one)
    target = tmp_path / 'out/train2017/b.png'
    assert not target.is_symlink() and target.samefile(tmp_path / 'a.png')


@pytest.mark.parametrize(
    'names, flat, expected',
    [
        (['a.png', 'a.jpg', 'A.bmp'], False, ['a.png', 'in_a.jpg', 'A_2.bmp']),
        (['x/a.png', 'y/a.png'], False, ['x/a.png', 'y/a.png']),
        (['x/a.png', 'y/a.png', 'x_a.png'], True, ['x_a.png', 'y_a.png', 'in_x_a.png']),
        (
            ['../a.png', '/abs/a.png', 'C:\\data\\a.png', './b.png'],
            False,
            ['a.png', 'abs/a.png', 'data/a.png', 'b.png'],
        ),
        (['a b, c.png', 'ä.v1.png', 'ä.v2.png'], False, ['a b, c.png', 'ä.v1.png', 'ä.v2.png']),
    ],
)
def test_no_two_images_share_a_name(tmp_path, names, flat, expected):
    target = Target(tmp_path / 'out')
    folder = target.folder('images')
    placed = []
    for number, name in enumerate(names):
        one = image(tmp_path / f'in/{number}.png')
        one.name = name
        placed.append(target.place(one, folder, flat))
        assert (folder / placed[-1]).samefile(one.file)
    assert placed == expected


def test_notes_count_one_and_many():
    notes = Notes()
    notes.add('crowd left out', 'crowds left out', 0)
    assert notes.lines == []
    notes.add('crowd left out', 'crowds left out')
    assert notes.lines == ['1 crowd left out']
    notes.add('crowd left out', 'crowds left out', 1999)
    notes.add('mask', 'masks')
    assert notes.lines == ['2,000 crowds left out', '1 mask']


@pytest.mark.parametrize('name', ['yolo', 'labelme', 'cvat', 'via', 'supervisely'])
def test_a_box_that_is_not_that_of_its_mask_is_counted(tmp_path, name):
    hidden = triangle()
    hidden.box = [10.0, 5.0, 20.0, 30.0]
    written = write(tmp_path / 'out', name, image(tmp_path / 'a.png', hidden, triangle(1)))
    (line,) = written.lost
    assert line.startswith('1 box that differs from its mask by more than a pixel (')


@pytest.mark.parametrize('name', WRITERS)
def test_an_image_without_objects_is_written(tmp_path, name):
    empty = image(tmp_path / 'b.png')
    written = write(tmp_path / 'out', name, image(tmp_path / 'a.png', triangle(), triangle(1)), empty)
    assert written.images == 2
    assert [path.name for path in (tmp_path / 'out').rglob('b.png') if path.samefile(empty.file)] == ['b.png']


@pytest.mark.parametrize('name', WRITERS)
def test_a_folder_is_complete_or_absent(tmp_path, name, monkeypatch):
    class Stop(Exception):
        pass

    def images():
        yield image(tmp_path / 'a.png', triangle())
        raise Stop

    with pytest.raises(Stop):
        write_data_set(LabeledData(CLASSES, {'train': images()}), False, name, tmp_path / 'out')
    assert os.listdir(tmp_path) == ['a.png']


def test_a_full_disk_and_a_lost_image_are_told_apart(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, 'No space left on device', str(tmp_path / 'out'))

    one = image(tmp_path / 'a.png', triangle())
    with monkeypatch.context() as patch:
        patch.setattr(base, 'open', full, raising=False)
        with pytest.raises(
            UserError, match=r'out cannot be written \(No space left on device\): choose another place'
        ):
            write(tmp_path / 'out', 'coco', one, images='copy')
    os.remove(one.file)
    with pytest.raises(UserError, match=r'^bad image .*a.png \(No such file or directory\): restore it, or remove it'):
        write(tmp_path / 'out', 'coco', one, images='copy')
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_empty_is_refused(tmp_path):
    one = image(tmp_path / 'a.png', triangle())
    (tmp_path / 'empty').mkdir()
    write(tmp_path / 'empty', 'coco', one)
    with pytest.raises(UserError, match=r'empty is not empty: name a new folder, or empty it first$'):
        write(tmp_path / 'empty', 'coco', one)
    with pytest.raises(UserError, match=r'a.png is a file: name a new folder$'):
        write(tmp_path / 'a.png', 'coco', one)


def test_every_format_that_is_read_of_these_is_written_under_its_name():
    assert FORMATS.keys() & {'coco', 'yolo', 'voc', 'labelme', 'cvat', 'via', 'supervisely', 'open_images'} <= set(
        WRITERS
    )


@pytest.mark.parametrize('how', ['file', 'link', 'symlink', 'folder'])
def test_nothing_that_is_there_is_written_to(tmp_path, how):
    """A link may be to a file of the user; a link that cannot be made is no reason to copy over what is there."""
    own = image(tmp_path / 'own.png')
    before = (tmp_path / 'own.png').read_bytes()
    path = tmp_path / 'out/a.png'
    path.parent.mkdir()
    {
        'file': path.touch,
        'link': lambda: os.link(own.file, path),
        'symlink': lambda: path.symlink_to(own.file),
        'folder': path.mkdir,
    }[how]()
    target = Target(path.parent, shown='DST')
    one = image(tmp_path / 'in/a.png')
    for write_it in (lambda: target.write_text(path, 'x'), lambda: target.place(one, path.parent)):
        with pytest.raises(
            UserError, match=r'^DST cannot be written \((File exists|Is a directory)\): choose another'
        ):
            write_it()
    assert (tmp_path / 'own.png').read_bytes() == before
