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


def large_tables() -> dict:
    return runpy.run_path(str(ROOT / 'benchmarks' / 'large_tables.py'))


def test_tiles_are_compared_with_whole_images_after_the_same_steps_alone():
    environment = dict(cores=2, cpu='CPU', gpu=False, torch='2.11', python='3.11', load=0.1)
    common = dict(config='c.py', data='sample-large', options=[], pretrained=False, environment=environment)
    tiles = dict(common, tile=256, steps=700, seconds=300, metrics={'raw/mIoU': 51.26, 'raw/images': 2})
    whole = dict(common, tile=None, steps=700, seconds=600, metrics={'raw/mIoU': 30.04, 'raw/images': 2})
    other = dict(whole, steps=699)
    table = large_tables()['sample_tiles']
    row = '| `c.py --data sample-large` | 700 | mIoU 30.0 | mIoU 51.3, `--tile 256` | 10.0 / 5.0, load 0.1 |'
    assert row in table([tiles, whole, other]).splitlines()
    for unlike in ([], [tiles], [whole], [tiles, other], [tiles, dict(whole, data='sample-large-6band')]):
        assert table(unlike).startswith('Not measured yet: ')
    assert table([tiles, other, dict(whole, options=['a=1'])]).startswith('Not measured yet: ')


def test_memory_of_what_was_not_finished_says_so():
    environment = dict(cores=2, cpu='CPU', gpu=False, torch='2.11', python='3.11', load=0.1)
    memory = [
        dict(name='tiles', side=5000, peak_mb=1234.5, before_mb=800.0, seconds=90, blocks=10, of_blocks=10),
        dict(name='tiles', side=50000, peak_mb=1500.0, before_mb=800.0, seconds=600, blocks=3, of_blocks=12),
        dict(name='mmseg slide', side=5000, failed='MemoryError'),
    ]
    content = dict(config='c.py', tile=512, overlap=0.2, classes=16, command='x', environment=environment)
    table = large_tables()['large_images'](dict(content, memory=memory, speed=None))
    assert table.splitlines()[2:5] == [
        '| 5,000 x 5,000 | tiles | 1,234 MB | 800 MB | 1.5 |',
        '| 50,000 x 50,000 | tiles | 1,500 MB | 800 MB | 10.0, stopped after 25% of the image |',
        '| 5,000 x 5,000 | mmseg slide | failed: MemoryError | | |',
    ]
    assert 'megapixels' not in table
