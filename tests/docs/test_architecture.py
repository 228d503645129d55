"""The rooms that docs/architecture.md and CONTRIBUTING.md list, against the package and the import contracts."""

import re

import pytest

from tests.helpers.pages import ROOT, inline_code


def layers() -> dict[str, int]:
    """The place of each module in the import contract, from the top."""
    text = (ROOT / 'pyproject.toml').read_text()
    lines = re.findall(r'"(.*?)"', re.search(r'^layers = \[\n(.*?)^\]', text, re.DOTALL | re.MULTILINE)[1])
    return {name: place for place, line in enumerate(lines) for name in re.split(r' [:|] ', line)}


@pytest.mark.parametrize(
    ('page', 'row'), [('docs/architecture.md', r'^\| `(\w+)` \| '), ('CONTRIBUTING.md', r'^      (\w+)/ ')]
)
def test_every_room_is_listed_above_those_it_imports_from(page, row):
    listed = re.findall(row, (ROOT / page).read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.parent.name for path in ROOT.glob('convnext_dense/*/__init__.py'))
    places = [layers()[name] for name in listed]
    assert places == sorted(places)


def test_every_file_that_is_named_exists():
    package = ROOT / 'convnext_dense'
    named = [code for code in inline_code(ROOT / 'docs' / 'architecture.md') if re.fullmatch(r'[\w/]+(\.py|/)', code)]
    assert len(named) > 10
    for name in named:
        assert (package / name).exists() or (ROOT / name).exists(), name
    for file, text in {
        'models/convnext.py': 'class Block(',
        'models/backbone.py': 'def layer_id(',
        'models/fused_mlp.py': 'drop_path',
        'data/detection/coco_clean.py': 'def clean_annotations(',
        'checkpoints/files.py': 'def write(',
        'engine/train_loop.py': 'class TrainLoop(',
    }.items():
        assert text in (package / file).read_text(), file
