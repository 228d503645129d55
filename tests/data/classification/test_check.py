"""Reading image folders for a check."""

import shutil
from pathlib import Path

import pytest

from convnext_dense.data.check import NOTE, PROBLEM
from convnext_dense.errors import NoData
from tests.conftest import write_image_folder
from tests.helpers.checked_images import checked_images
from tests.helpers.findings import found


@pytest.fixture
def images(tmp_path) -> Path:
    return write_image_folder(tmp_path / 'images', train=4, val=2)


def test_a_good_image_folder(images):
    checked = checked_images(images)
    assert checked.findings == []
    assert checked.data.classes == ['blue', 'green', 'red']
    assert [counts.units.tolist() for counts in checked.class_counts] == [[4, 4, 4], [2, 2, 2]]
    one = checked.scans[0][0]
    path = images / 'train' / 'blue' / '00.jpg'
    assert (one.header.size, one.header.mode, one.header.format) == ((48, 48), 'RGB', 'JPEG')
    assert one.file_size == path.stat().st_size


def test_class_folders_that_do_not_fit_are_problems(images):
    (images / 'train' / 'azure').mkdir()
    (images / 'train' / 'brown').mkdir()
    assert found(checked_images(images), PROBLEM) == {'train: 2 class folders that hold no images': ['azure', 'brown']}
    (images / 'val' / 'yellow').mkdir()
    [problem] = [f.message for f in checked_images(images).findings if f.level == PROBLEM]
    assert 'val/yellow is a class that' in problem


def test_an_empty_folder_is_no_data(images, tmp_path):
    for path in images.glob('val/*/*'):
        path.unlink()
    with pytest.raises(NoData, match='val holds no images'):
        checked_images(images)
    with pytest.raises(NoData, match='no data at'):
        checked_images(tmp_path / 'nothing')


def test_stray_files_are_counted_once_and_not_learned(images):
    before = checked_images(images)
    for path in ('.ipynb_checkpoints/00.jpg', '@eaDir/00.jpg', '._00.jpg', 'deep/.thumbs/00.jpg'):
        (images / 'train' / 'red' / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(images / 'train' / 'red' / '00.jpg', images / 'train' / 'red' / path)
    (images / 'train' / 'red' / 'itself').symlink_to('.')
    (images / 'val' / '__MACOSX').mkdir()
    checked = checked_images(images)
    assert checked.class_counts[0].units.tolist() == before.class_counts[0].units.tolist()
    notes = {f.split: (f.message, len(f.items)) for f in checked.findings}
    assert {split: count for split, (_, count) in notes.items()} == {'train': 5, 'val': 1}
    assert notes['train'][0].startswith('5 files and folders left out, which are hidden, of another program')
    assert notes['val'][0].startswith('1 file or folder left out')


def test_other_names_of_splits_and_flat_lists_are_noted(images):
    (images / 'val').rename(images / 'validation')
    checked = checked_images(images)
    assert [(f.level, f.split, f.message) for f in checked.findings] == [
        (NOTE, 'val', f'{images}/validation is taken for val')
    ]
    assert [counts.units.tolist() for counts in checked.class_counts] == [[4, 4, 4], [2, 2, 2]]
    flat = images / 'val'
    flat.mkdir()
    rows = []
    for number, path in enumerate(sorted((images / 'validation').glob('*/*'))):
        path.rename(flat / f'{number}.jpg')
        rows.append(f'{number}.jpg {path.parent.name}\n')
    shutil.rmtree(images / 'validation')
    (images / 'val.txt').write_text(''.join(rows[2:]))
    [problem] = [f for f in checked_images(images).findings if f.level == PROBLEM]
    assert (problem.split, 'has no class for 2 images of 6' in problem.message) == ('val', True)
    (images / 'val.txt').write_text(''.join(rows))
    checked = checked_images(images)
    assert [f.message for f in checked.findings] == [f'6 images have their classes from {images}/val.txt']
    assert [counts.units.tolist() for counts in checked.class_counts] == [[4, 4, 4], [2, 2, 2]]


def test_classes_of_val_are_counted_under_their_names(images):
    shutil.rmtree(images / 'val' / 'blue')
    checked = checked_images(images)
    assert checked.data.classes == ['blue', 'green', 'red']
    assert checked.class_counts[1].units.tolist() == [0, 2, 2]
    assert [(f.level, f.split, f.items) for f in checked.findings] == [(NOTE, 'val', ['blue'])]
