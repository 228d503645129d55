"""The weights command: the catalog by patterns, wide and narrow."""

import json

import pytest
from rich.console import Console

from convnext_dense.cli import run_verb
from convnext_dense.cli.commands import weights
from convnext_dense.weights.catalog import entries, find_entry


@pytest.fixture
def listed(capsys):
    def run(*arguments: str) -> list[dict]:
        assert run_verb('weights', [*arguments, '--json']) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_all_are_listed_for_programs(listed):
    found = listed()
    assert [entry['name'] for entry in found] == [entry.name for entry in entries()]
    assert find_entry('dinov3_tiny')._asdict().items() <= next(e for e in found if e['name'] == 'dinov3_tiny').items()


@pytest.mark.parametrize(
    ('pattern', 'count', 'some'),
    [
        ('dinov3', 12, 'hf:facebook/dinov3-convnext-tiny-pretrain-lvd1689m'),
        ('EUPE_*', 3, 'eupe_base'),
        ('clip:*xxlarge*', 3, 'clip:convnext_xxlarge.laion2b_s34b_b82k_augreg'),
        ('ImageNet-12k', 20, 'timm:convnext_nano.in12k'),
        ('CC BY-NC', 70, 'convnextv2_atto_1k_224_fcmae'),
        ('v2 atto', 5, 'timm:convnextv2_atto.fcmae'),
        ('torchvision', 4, 'torchvision:convnext_large'),
    ],
)
def test_a_pattern_is_a_part_or_a_glob(listed, pattern, count, some):
    found = [entry['name'] for entry in listed(pattern)]
    assert some in found
    assert len(found) == count


def test_commercial_leaves_out_what_forbids_it_and_what_is_not_settled(listed):
    everything, allowed = listed(), listed('--commercial')
    assert {e['commercial_use'] for e in everything} == {True, False, None}
    assert [e for e in everything if e['commercial_use']] == allowed
    assert {e['license'] for e in allowed} == {'mit', 'apache-2.0', 'dinov3-license'}


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['dinvo3'], "no weights fit 'dinvo3': did you mean dinov3"),
        (
            ['convnext_tiny.fb_in1k_'],
            'did you mean timm:convnext_tiny.fb_in1k',
        ),
        (['convnextv2_tiny_2k'], 'or convnextv2_tiny_22k_384_ema'),
        (['zz*'], "no weights fit 'zz*': `convnext-dense weights` lists all"),
        (
            ['convnextv2', '--commercial'],
            "no weights that fit 'convnextv2' are known to allow commercial use: CC BY-NC 4.0 (no commercial use)",
        ),
    ],
)
def test_nothing_found_is_one_line(capsys, arguments, said):
    assert run_verb('weights', arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count('\n') == 1


def test_a_downloaded_file_is_marked(monkeypatch, tmp_path, listed, capsys):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path))
    places = {
        'convnextv2_atto_1k_224_ema': 'convnextv2_atto_1k_224_ema.pt',
        'timm:convnextv2_atto.fcmae': 'timm--convnextv2_atto.fcmae/model.safetensors',
    }
    for place in places.values():
        path = tmp_path / 'weights' / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    cached = {entry['name']: entry['cached'] for entry in listed('v2 atto') if entry['cached']}
    assert cached == {name: str(tmp_path / 'weights' / place) for name, place in places.items()}
    assert run_verb('weights', ['v2 atto']) == 0
    marked = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith('*')]
    assert marked == list(places)


def test_the_table_is_a_line_for_each(capsys):
    assert run_verb('weights', ['dinov3_*']) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == [column for column in weights.COLUMNS if column]
    tiny = 'dinov3_tiny tiny DINOv3 LVD-1689M 224 ImageNet DINOv3 License on conditions 27.8M 111 mIoU 42.7, linear'
    assert lines[0].split() == tiny.split()
    assert len(lines) == 4


@pytest.mark.parametrize('width', [200, 220])
def test_no_entry_needs_more_than_two_lines_on_a_wide_terminal(capsys, width):
    found = list(entries())
    weights.show_table(found, Console(width=width, highlight=False))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    names = [line.split()[0] for line in lines[1:] if not line.startswith('   ')]
    assert names == [entry.name for entry in found]


def test_a_narrow_terminal_has_the_name_and_the_rest_below_it(capsys):
    weights.show_lines([find_entry('timm:convnext_large_mlp.clip_laion2b_soup_ft_in12k_in1k_320')], Console(width=80))
    name, *rest = capsys.readouterr().out.splitlines()
    assert name == 'timm:convnext_large_mlp.clip_laion2b_soup_ft_in12k_in1k_320'
    assert all(line.startswith('  ') and len(line) <= 80 for line in rest)
    assert ' '.join(' '.join(rest).split()) == (
        'large_mlp, CLIP LAION-2B > ImageNet-12k > 1k, 320 pixels, normalized as CLIP, license Apache-2.0, '
        'commercial use: yes, 200M parameters, 801 MB'
    )
