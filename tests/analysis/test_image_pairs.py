from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.analysis import image_pairs
from convnext_dense.analysis.image_pairs import count_compared, find_duplicates, fingerprint_files
from convnext_dense.diagnosis.near_duplicates import fingerprint
from convnext_dense.diagnosis.statistics import DataStatistics
from convnext_dense.io.value_range import ValueRange


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))


def photo(seed: int, side: int = 1200) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side * 3 // 4), Image.Resampling.BICUBIC)


def save(folder: Path, **images: Image.Image) -> list[str]:
    folder.mkdir(exist_ok=True)
    paths = []
    for name, image in images.items():
        paths.append(str(folder / name.replace('_', '.')))
        image.save(paths[-1])
    return paths


def data(name: str, paths: list[str], labels=None, sets=None) -> DataStatistics:
    nothing = np.zeros(3, int)
    return DataStatistics(
        name, ['x', 'y', 'z'], 'images' if sets is None else 'objects', len(paths), 0, np.zeros((0, 2), int),
        nothing, nothing, paths=paths, labels=labels, class_sets=sets,
    )  # fmt: skip


def test_shrunk_decoding_hardly_changes_the_fingerprint(tmp_path):
    paths = save(tmp_path / 'images', **{f'{n}_jpg': photo(n) for n in range(12)})
    for path, shrunk in zip(paths, fingerprint_files(paths, 2), strict=True):
        whole = fingerprint(np.asarray(Image.open(path)))
        assert (whole.bits ^ shrunk.bits).bit_count() <= 2  # of 64
        assert np.abs(whole.colors.astype(int) - shrunk.colors).mean() < 1


def test_an_image_is_taken_upright_and_by_its_value_range(tmp_path):
    upright, turned = photo(0), photo(0).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by 90 degrees
    turned.save(tmp_path / 'turned.jpg', exif=exif)
    (one,) = fingerprint_files([str(tmp_path / 'turned.jpg')], 1)
    assert (one.bits ^ fingerprint(np.asarray(upright)).bits).bit_count() <= 2
    deep = np.asarray(photo(1).convert('L')).astype(np.uint16) * 8 + 100
    Image.fromarray(deep).save(tmp_path / 'deep.png')
    (two,) = fingerprint_files([str(tmp_path / 'deep.png')], 1, ValueRange(100, 2140))
    assert (two.bits ^ fingerprint(np.asarray(photo(1).convert('L'))).bits).bit_count() <= 2


def test_files_are_read_again_only_if_they_changed(tmp_path, monkeypatch):
    paths = save(tmp_path / 'images', **{f'{n}_png': photo(n, 80) for n in range(4)})
    Path(paths[3]).write_bytes(b'broken')
    first = fingerprint_files(paths, 2)
    assert first[3] is None
    read = []
    decode = image_pairs.decode
    monkeypatch.setattr(image_pairs, 'decode', lambda image, *others: read.append(image) or decode(image, *others))
    again = fingerprint_files(paths, 2)
    assert read == [] and [one and one.bits for one in again] == [one and one.bits for one in first]
    assert all((one.colors == other.colors).all() for one, other in zip(first[:3], again[:3], strict=True))
    photo(9, 90).save(paths[1])
    assert fingerprint_files(paths, 2)[1].bits == fingerprint(np.asarray(photo(9, 90))).bits
    assert len(read) == 1
    fingerprint_files(paths, 2, ValueRange(0, 100))
    assert len(read) == 4  # another value range, another image


def test_leaks_and_contradictions_of_classified_images(tmp_path):
    train = save(tmp_path / 'train', a_png=photo(0, 80), b_jpg=photo(0, 200), c_png=photo(1, 80), d_png=photo(2, 80))
    test = save(tmp_path / 'test', e_png=photo(3, 80), f_jpg=photo(1, 160), g_png=photo(4, 80), h_png=photo(5, 80))
    Path(test[3]).write_bytes(b'')
    advanced = []
    found = find_duplicates(
        data('training', train, [0, 1, 1, 2]),
        data('tested', test, [0, 1, 1, 2]),
        2,
        advance=lambda: advanced.append(1),
    )
    assert sorted((one.kind, one.path, one.other_path) for one in found.suspects) == [
        ('duplicate', train[0], train[1]),
        ('leak', test[1], train[2]),
    ]
    (duplicate,) = (one for one in found.suspects if one.kind == 'duplicate')
    assert (duplicate.label, duplicate.suggested) == (0, 1)
    assert (found.leaks, found.tested, len(advanced)) == (1, 3, 8)
    assert found.section.lead == (
        '1 tested image (33.3%) is almost the same as a training image; '
        '1 pair of almost equal images has different labels.'
    )
    text, table = found.section.blocks
    assert text.text == (
        'Compared were 4 training images and 3 of 4 tested images (1 can not be read), by their content at a small '
        'size. 2 training images are almost the same as another training image.'
    )
    assert sorted(row[:5] for row in table.rows) == [
        ['different labels', train[0], train[1], 'x', 'y'],
        ['in training and testing', test[1], train[2], None, None],
    ]


def test_contradictions_of_images_with_objects(tmp_path):
    train = save(tmp_path / 'train', a_png=photo(0, 80), b_png=photo(0, 80), c_png=photo(1, 80))
    found = find_duplicates(data('training', train, sets=[frozenset({0}), frozenset({0, 2}), frozenset()]), None, 1)
    assert [(one.path, one.other_path, one.label) for one in found.suspects] == [(train[1], train[0], 2)]


def test_nothing_to_find_is_said(tmp_path):
    train = save(tmp_path / 'train', a_png=photo(0, 80))
    found = find_duplicates(data('training', train, [0]), None, 1)
    assert found.section.lead == 'No image is in both data sets or has two labels.' and not found.suspects
    empty = find_duplicates(None, None, 1)
    assert empty.section.blocks == [] and empty.section.lead == ''


def test_of_very_many_images_some_are_compared_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(image_pairs, 'MOST_IMAGES', 4)
    train = save(tmp_path / 'train', **{f'{n}_png': photo(n, 80) for n in range(9)})
    of_data = data('training', train, list(range(9)))
    found = find_duplicates(of_data, None, 1)
    assert count_compared(of_data, None) == 4
    assert found.section.blocks[0].text.startswith('Compared were 4 of 9 training images, by')
