"""Image files in folders with links, stray names and folders that can't be read."""

import os
from pathlib import Path

import pytest

from convnext_dense.data.image_files import describe_left_out, find_files, images_in, stray_subfolders, subfolders
from convnext_dense.errors import UserError


def fill(root: Path, *files: str) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def relative(paths, root):
    return [os.path.relpath(path, root) for path in paths]


def test_files_of_all_folders_are_sorted_and_told_apart_by_their_suffix(tmp_path):
    root = fill(tmp_path, 'b/2.JPG', 'a/1.png', 'a/deep/er/3.tiff', '0.jpeg', 'a/x.gif', 'a/y.gif', 'notes')
    found = find_files(root)
    assert relative(found.images, root) == ['0.jpeg', 'a/1.png', 'a/deep/er/3.tiff', 'b/2.JPG']
    assert relative(found.files, root) == [
        '0.jpeg',
        'a/1.png',
        'a/deep/er/3.tiff',
        'a/x.gif',
        'a/y.gif',
        'b/2.JPG',
        'notes',
    ]
    assert found.describe_others() == '2 .gif, 1 without suffix'
    assert found.left_out == []


def test_links_in_circles_are_left_out_and_others_followed(tmp_path):
    root = fill(tmp_path / 'data', 'a/1.png', 'a/b/2.png')
    other = fill(tmp_path / 'other', '3.png', 'in/4.png')
    (root / 'a' / 'b' / 'up').symlink_to(root / 'a')
    (root / 'self').symlink_to(root)
    (root / 'above').symlink_to(tmp_path)
    (root / 'elsewhere').symlink_to(other)
    (other / 'in' / 'back').symlink_to(other)  # a circle inside what a link leads to
    (other / 'home').symlink_to(root)  # a circle of two links
    (root / 'a' / '5.png').symlink_to(other / '3.png')
    (root / 'broken.png').symlink_to(tmp_path / 'nowhere.png')
    found = find_files(root)
    assert relative(found.images, root) == [
        'a/1.png',
        'a/5.png',
        'a/b/2.png',
        'broken.png',  # it is read, and named then
        'elsewhere/3.png',
        'elsewhere/in/4.png',
    ]
    assert relative(found.left_out, root) == ['a/b/up', 'above', 'elsewhere/home', 'elsewhere/in/back', 'self']


def test_two_links_to_one_folder_are_both_followed(tmp_path):
    other = fill(tmp_path / 'other', '1.png')
    root = fill(tmp_path / 'data', '0.png')
    for name in ('x', 'y'):
        (root / name).symlink_to(other)
    assert relative(find_files(root).images, root) == ['0.png', 'x/1.png', 'y/1.png']
    assert find_files(root).left_out == []


def test_stray_files_and_folders_are_left_out_and_images_among_them_counted(tmp_path):
    root = fill(
        tmp_path, '1.png', '._1.png', 'Thumbs.db', '.hidden/2.png', '__MACOSX/3.png', 'a/@eaDir/4.png', 'a/.keep'
    )
    found = find_files(root)
    assert relative(found.files, root) == ['1.png']
    assert relative(found.left_out, root) == ['._1.png', '.hidden', '__MACOSX', 'a/@eaDir']
    assert describe_left_out(found.left_out).startswith('4 files and folders left out')
    assert describe_left_out([]) == ''
    assert find_files(root / '.hidden').images == [str(root / '.hidden' / '2.png')]  # named on purpose


def test_a_folder_that_may_not_be_read_is_refused_and_an_absent_one_is_empty(tmp_path, monkeypatch):
    root = fill(tmp_path, 'open/1.png', 'closed/2.png')
    scan = os.scandir

    def scandir(folder='.'):
        if os.path.basename(str(folder)) == 'closed':
            raise PermissionError(13, 'Permission denied', folder)
        return scan(folder)

    monkeypatch.setattr(os, 'scandir', scandir)
    said = f'folder {root / "closed"} cannot be read \\(Permission denied\\): allow it, or move it away'
    with pytest.raises(UserError, match=said):
        find_files(root)
    assert images_in(root / 'closed') == []
    assert find_files(root / 'absent').files == []


def test_the_subfolders_are_classes_without_strays_and_circles(tmp_path):
    root = fill(tmp_path / 'data', 'cat/1.png', 'dog/2.png', '.git/3.png', 'file.png')
    (root / 'circle').symlink_to(tmp_path)
    (root / 'linked').symlink_to(fill(tmp_path / 'eel', '4.png'))
    assert subfolders(root) == ['cat', 'dog', 'linked']
    assert relative(stray_subfolders(root), root) == ['.git', 'circle']
    assert relative(images_in(root), root) == ['file.png']
    assert subfolders(root / 'absent') == []
