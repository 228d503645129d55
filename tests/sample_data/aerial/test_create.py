"""The large sample: the same bytes on every run, two kinds of images of the same scenes, drawn when asked for."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from convnext_dense.errors import UserError
from convnext_dense.sample_data.aerial.create import FULL, SIZES, LargeSize, ensure_large_sample, large_root
from convnext_dense.sample_data.create import sample_root
from convnext_dense.sample_data.draw_once import MANIFEST
from tests.helpers.sample_process import hashes
from tests.sample_data.aerial.conftest import SMALL

LEAST = LargeSize(train=1, val=1, scale=0.08, density=4)


def test_each_kind_has_a_place_of_its_own(tmp_path):
    places = [large_root(tmp_path, bands=bands, size=size) for bands in (False, True) for size in (FULL, SMALL)]
    places.append(sample_root(tmp_path))
    assert len(set(places)) == 5
    assert [place.name for place in (places[0], places[2])] == ['sample-large-v1', 'sample-large-6band-v1']
    for place in places:  # remains of one are never taken for those of another
        assert not any(other.match(f'{place.name}.partial-*') for other in places)


def test_the_scenes_are_large_and_of_several_sizes():
    assert all(2600 <= side <= 3200 for size in SIZES for side in size)
    assert len(set(SIZES)) == len(SIZES) > 2 and (FULL.train, FULL.val) == (4, 2)


def test_the_same_bytes_with_any_number_of_processes(large, tmp_path):
    again = ensure_large_sample(tmp_path, size=SMALL, workers=1)
    assert hashes(again) == hashes(large)


def test_both_kinds_have_the_same_scenes_and_ground_truth(large, six):
    colors, bands = hashes(large), hashes(six)
    images = {name for name in colors if name.endswith('.tif')}
    assert len(images) == 3 and set(bands) == {*colors, 'image_stats.json'}
    assert {name for name in colors if colors[name] != bands[name]} == {*images, MANIFEST}
    for name in images:
        values = tifffile.imread(six / name)
        assert (values[..., :3] // 14 == tifffile.imread(large / name)).all()


def test_the_statistics_are_those_of_the_training_images(six):
    stats = json.loads((six / 'image_stats.json').read_text())
    pixels = np.concatenate([tifffile.imread(path).reshape(-1, 6) for path in (six / 'images/train').iterdir()])
    assert (stats['images'], stats['dtype']) == (SMALL.train, 'uint16')
    for key, expected in (('mean', pixels.mean(0)), ('std', pixels.std(0)), ('maximum', pixels.max(0))):
        assert [band[key] for band in stats['bands']] == pytest.approx(expected.tolist())


def test_one_kind_is_drawn_without_the_other_and_once(tmp_path, capfd):
    folder = ensure_large_sample(tmp_path, size=LEAST, workers=1)
    out, err = capfd.readouterr()
    first, last = err.splitlines()
    assert out == '' and first == f'drawing the large sample once, 2 scenes, 1 MB, about 1 s, into {folder}'
    assert re.fullmatch(rf'the large sample is ready after \d+ s in {folder}', last)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [folder]
    before = hashes(folder)
    assert ensure_large_sample(tmp_path, size=LEAST, workers=1) == folder
    assert capfd.readouterr() == ('', '') and hashes(folder) == before


def test_the_line_tells_the_size_and_the_time_of_the_full_one(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr('convnext_dense.sample_data.aerial.create.run_jobs', lambda *_: 1 / 0)
    for bands, said in ((False, 'the large sample once, 6 scenes, 154 MB'), (True, '6 scenes, 616 MB')):
        with pytest.raises(ZeroDivisionError):
            ensure_large_sample(tmp_path, bands=bands, workers=2)
        assert f'{said}, about 18 s, into' in capfd.readouterr().err
    assert [path for path in tmp_path.iterdir() if path.suffix != '.lock'] == []


def test_a_missing_package_and_a_full_disk_are_said_in_one_line(tmp_path, monkeypatch):
    blocked = Path(tmp_path, 'file')
    blocked.touch()
    with pytest.raises(UserError, match=r'cannot write the large sample to .*: set CONVNEXT_DENSE_CACHE'):
        ensure_large_sample(blocked / 'cache', size=LEAST)
    monkeypatch.setitem(sys.modules, 'tifffile', None)
    with pytest.raises(UserError, match='need the tifffile package'):
        ensure_large_sample(tmp_path, size=LEAST, workers=1)
