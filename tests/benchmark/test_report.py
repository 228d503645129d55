"""The files that a benchmark leaves."""

import json
import runpy
from importlib.metadata import version
from pathlib import Path

import pytest

from convnext_dense.analysis.environment import environment
from convnext_dense.archs import ARCHS, ArchSettings
from convnext_dense.benchmark.report import Report
from convnext_dense.cli import run_verb

ROOT = Path(__file__).parents[2]


NAMES = ['ours', 'timm', 'timm, conv_mlp, channels_last', 'torchvision', 'transformers']


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
    """A real run of a toy, and the one file that it writes."""
    folder = tmp_path_factory.mktemp('out') / 'new'
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHS, 'toy', ArchSettings((1, 1, 2, 1), (4, 8, 12, 16)))
        asked = ['--arch', 'toy', '--batch', '2', '--size', '64', '32', '--seconds', '0', '--out', str(folder)]
        assert run_verb('benchmark', asked) == 0
        (file,) = folder.iterdir()
    return file


def test_the_file_tells_what_was_measured_on_what(measured):
    made_on = environment()
    content = json.loads(measured.read_text())
    torch_version, timm_version = made_on['torch'].split('+')[0], made_on['timm']
    assert measured.name == (
        f'throughput_forward-train_toy_batch2_64x32_cpu_{made_on["threads"]}threads_fp32_channels_last_'
        f'torch{torch_version}_timm{timm_version}.json'
    )
    assert '--arch toy' in content['command']
    assert content['environment'].keys() == made_on.keys()
    assert content['environment']['torch'] == made_on['torch']
    assert made_on['cores'] >= 1
    assert {'cpu', 'cores', 'threads', 'load', 'torchvision', 'transformers', 'python', 'date'} <= made_on.keys()
    forward, train = content['series']
    assert (forward['what'], train['what'], train['unit'], train['items']) == ('forward', 'train', 'img/s', 2)
    for series in (forward, train):
        assert [row['name'] for row in series['rows']] == NAMES
        mine = series['rows'][0]['rate']['median']
        for row in series['rows']:
            rate = row['rate']
            assert 0 < rate['lower_quartile'] <= rate['median'] <= rate['upper_quartile']
            assert row['ours_is_faster']['ours fp32'] == pytest.approx(mine / rate['median'], rel=1e-3)
            assert row['rounds'] == 7
            assert row['difference'] < 1e-4
    assert all(row['memory'] is None for row in forward['rows'])
    assert all(row['memory'] > 0 for row in train['rows'])


def test_the_table_has_a_row_for_each_thing_that_was_measured(measured):
    throughput = runpy.run_path(str(ROOT / 'benchmarks' / 'update_tables.py'))['throughput']
    content = json.loads(measured.read_text())
    row, peer = content['series'][1]['rows'][:2]
    row['rate'].update(median=12.345, lower_quartile=11.9, upper_quartile=13.0)
    peer['ours_is_faster']['ours fp32'] = 1.8765
    row['memory'], peer['memory'] = 3 * 2**20, 6 * 2**20
    lines = throughput([content]).splitlines()
    assert len(lines) == 2 + 2 + 2
    assert lines[3].startswith(
        '| train: ConvNeXt toy, 2 x 3 x 64 x 32, fp32 | 12.3 img/s, 11.9 to 13 | 1.88 x timm fp32, '
    )
    assert lines[3].endswith('| 3 MiB, 0.50 x timm fp32 |')
    made_on = content['environment']
    assert f'timm {made_on["timm"]}' in lines[-1]
    assert 'mm' not in lines[-1].partition(made_on['transformers'])[2]
    content['setting']['what'] = ['eval']
    said = throughput([content])
    for name in ('onedl-mmdetection', 'onedl-mmsegmentation', 'faster-coco-eval', 'pycocotools'):
        assert f'{name} {version(name)}' in said
    assert 'timm 1' not in said.splitlines()[-1]
    assert content['command'] in lines[-1]
    assert throughput([]) == 'Not measured yet.'


def test_inference_alone_has_a_file_of_its_own(measured):
    content = json.loads(measured.read_text())
    setting = {**content['setting'], 'what': ['detector'], 'arch': None, 'inference': True}
    name = Report('', setting, content['environment'], []).file_name()
    assert name.startswith('throughput_detector_batch2_64x32_')
    assert '_inference_torch' in name
