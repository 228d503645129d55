"""The package as a whole: what importing it says, and what its tables say."""

import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_opencv_that_cannot_load_is_named_with_its_cure(tmp_path):
    (tmp_path / 'cv2.py').write_text("raise ImportError('libGL.so.1: cannot open shared object file')\n")
    code = f'import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import convnext_dense.registry'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60)
    last = done.stderr.strip().splitlines()[-1]
    assert 'OpenCV cannot load (libGL.so.1' in last
    assert 'apt-get install libgl1' in last


def test_the_readme_says_what_was_measured():
    update = runpy.run_path(str(ROOT / 'benchmarks' / 'update_readme.py'))['update']
    readme = (ROOT / 'README.md').read_text()
    assert update(readme) == readme, 'run benchmarks/update_readme.py'
    assert '| tiny | ImageNet-1k | 224 | 28.6M | 4.5G | 82.1 |' in readme
