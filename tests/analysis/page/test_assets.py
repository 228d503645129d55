"""The parts of the page: the chart library as published, scripts that the policy allows, package data in the wheel."""

import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from convnext_dense.analysis.page import assets

ROOT = Path(__file__).parents[3]
PAGE = ROOT / 'convnext_dense' / 'analysis' / 'page'
UPLOT = {
    'uPlot.iife.min.js': '19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f',
    'uPlot.min.css': 'df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04',
    'LICENSE': '8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd',
}


def test_the_chart_library_is_the_published_one():
    folder = PAGE / 'vendor' / 'uplot'
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in UPLOT} == UPLOT
    assert 'uPlot 1.6.32' in (folder / 'README.md').read_text()


def test_every_file_of_ours_is_in_the_page():
    assert {f'{name}.js' for name in (*assets.THEME, *assets.SCRIPTS)} == {f.name for f in PAGE.glob('assets/js/*')}
    assert {f'{name}.css' for name in assets.STYLES} == {f.name for f in PAGE.glob('assets/css/*')}


def test_the_policy_allows_the_scripts_of_the_page_and_no_others():
    allowed = re.findall(r"'sha256-([^']+)'", assets.policy(False))
    scripts = (assets.theme_script(), assets.chart_library(), assets.script())
    assert [base64.b64decode(one) for one in allowed] == [hashlib.sha256(text.encode()).digest() for text in scripts]
    assert 'http' not in assets.policy(True) and 'unsafe-inline' not in assets.policy(True).split('style-src')[0]
    assert 'file:' in assets.policy(True) and 'file:' not in assets.policy(False)


def test_scripts_never_make_markup_of_texts():
    own = assets.script() + assets.theme_script()
    assert not re.search(r'innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function', own)
    assert not re.search(r'https?://(?!www\.w3\.org/2000/svg)', own + assets.style())
    assert '</script' not in own + assets.chart_library()


@pytest.mark.timeout(300)
def test_a_wheel_has_all_of_it(tmp_path):
    build = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation', '-w', str(tmp_path), '.']
    source = tmp_path / 'source'
    subprocess.run(['git', 'checkout-index', '-a', f'--prefix={source}/'], cwd=ROOT, check=True)
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (wheel,) = tmp_path.glob('*.whl')
    packed = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ['git', 'ls-files', 'convnext_dense/analysis/page'], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert len(tracked) > 30
    assert set(tracked) <= packed
