"""The package as a whole: what importing it says, and what its tables say."""

import runpy
import subprocess
import sys

import pytest

from tests.helpers.pages import PAGES, ROOT

TABLES = runpy.run_path(str(ROOT / 'benchmarks' / 'update_tables.py'))


def test_opencv_that_cannot_load_is_named_with_its_cure(tmp_path):
    (tmp_path / 'cv2.py').write_text("raise ImportError('libGL.so.1: cannot open shared object file')\n")
    code = f'import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import convnext_dense.registry'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    last = done.stderr.strip().splitlines()[-1]
    assert 'OpenCV cannot load (libGL.so.1' in last
    assert 'apt-get install libgl1' in last


@pytest.mark.parametrize('page', PAGES, ids=[page.name for page in PAGES])
def test_the_tables_say_what_was_measured_and_published(page):
    text = page.read_text()
    assert TABLES['update'](text) == text, 'run benchmarks/update_tables.py'


def test_every_table_stands_on_one_page():
    pages = TABLES['pages']()
    assert pages == PAGES
    names = [match[1] for page in pages for match in TABLES['TABLE'].findall(page.read_text())]
    assert sorted(names) == sorted(TABLES['TABLES'])
    text = (ROOT / 'docs' / 'training.md').read_text()
    assert '| tiny | ImageNet-1k | 224 | 28.6M | 4.5G | 82.1 |' in text


def test_the_readme_is_short_and_has_one_table_of_results():
    readme = (ROOT / 'README.md').read_text()
    assert readme.count('\n') <= 160
    assert readme.count('<!-- table: ') == 1
    for row in (
        '| tiny, `t` | 28.6M | 82.1 | 84.1 | 50.4 / 43.7 | 46.0 |',
        '| xlarge, `xl` | 350M | - | 87.8 | 55.2 / 47.7 (22k) | 53.6 (22k) |',
    ):
        assert row in readme
