"""What a test says about the images that its run was trained on."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from convnext_dense.data.splits import SplitRule
from convnext_dense.data.subset import FILE_NAME, make_split, write_split
from convnext_dense.data.trained_on import describe_split, describe_trained_on

NAMES = [f'{name}/{number}.jpg' for name in ('cat', 'dog') for number in range(5)]


class Images(list):
    """Images of a data set, by their paths."""

    kept_split = None

    def image(self, index: int) -> tuple[str, None]:
        return self[index], None


def images_in(folder: Path | str) -> Images:
    return Images(f'{folder}/{name}' for name in NAMES)


@pytest.fixture
def run(tmp_path):
    """A work dir whose run was trained on 8 of the 10 images in ``data``."""
    for name in NAMES:
        (tmp_path / 'data' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'data' / name).write_text(name)
    (tmp_path / 'run').mkdir()
    write_split(tmp_path / 'run', make_split(SplitRule(0.2), str(tmp_path / 'data'), NAMES, [(n[:3],) for n in NAMES]))
    return tmp_path / 'run'


def seen(dataset: Images, run: Path) -> int:
    line = describe_trained_on(dataset, run)
    return 0 if line is None else int(line.split(' of 10 images were used in training, by ')[0])


def test_images_are_found_by_any_path(run, tmp_path, monkeypatch):
    data = tmp_path / 'data'
    (tmp_path / 'link').symlink_to('data')
    shutil.copytree(data, tmp_path / 'links', copy_function=lambda a, b: Path(b).symlink_to(a))
    monkeypatch.chdir(tmp_path)
    places = (data, tmp_path / 'link', 'data', 'link', 'run/../data', tmp_path / 'links')
    assert [seen(images_in(place), run) for place in places] == [8] * len(places)
    line = describe_trained_on(images_in(data), run)
    assert line.startswith(f'8 of 10 images were used in training, by {run}/{FILE_NAME}: results will look better ')
    assert line.endswith('give --val-split 0.2 to test on the others')


def test_a_split_that_was_made_through_a_link_in_another_folder(run, tmp_path, monkeypatch):
    (tmp_path / 'link').symlink_to('data')
    monkeypatch.chdir(tmp_path)
    write_split(run, make_split(SplitRule(0.2), 'link', NAMES, [()] * 10))
    (tmp_path / 'else').mkdir()
    monkeypatch.chdir(tmp_path / 'else')
    assert seen(images_in(tmp_path / 'data'), run) == seen(images_in('../link'), run) == 8


def test_moved_and_copied_images_are_known_and_others_of_their_names_are_not(run, tmp_path):
    data = tmp_path / 'data'
    shutil.copytree(data, tmp_path / 'copy')
    shutil.copytree(data, tmp_path / 'others')
    for path in (tmp_path / 'others').rglob('*.jpg'):
        path.write_text(path.read_text()[::-1])
    assert [seen(images_in(tmp_path / name), run) for name in ('copy', 'others')] == [8, 0]
    data.rename(tmp_path / 'moved')
    assert seen(images_in(tmp_path / 'moved'), run) == 8


def test_nothing_is_said_without_a_split_or_of_what_is_held_out(run, tmp_path):
    assert describe_trained_on(images_in(tmp_path / 'data'), None) is None
    assert describe_trained_on(images_in(tmp_path / 'data'), tmp_path) is None
    elsewhere = Images(str(tmp_path / 'new' / f'{number}.jpg') for number in range(10))
    assert describe_trained_on(elsewhere, run) is None


def test_the_part_that_is_tested_is_counted():
    part, whole = images_in('/data'), images_in('/data')
    part.kept_split = make_split(SplitRule(0.5), '/data', [*NAMES, 'eel/1.jpg'], [()] * 11)
    assert describe_split(part, True) == 'split of the run: 10 of 11 images are tested'
    wrapped = SimpleNamespace(datasets=[part])
    assert describe_split(wrapped, False) == 'split by --val-split 0.5: 10 of 11 images are tested'
    assert describe_split(whole, True) is None
