"""The flops command."""

import json

import pytest

from convnext_dense.benchmark.published import Row
from convnext_dense.cli import run_verb

ATTO = 'configs/classification/convnext_a.py'


def flops(*arguments: str) -> int:
    return run_verb('flops', list(arguments))


def test_json_has_every_module_down_to_the_depth(capsys):
    assert flops(ATTO, '--json', '--depth', '3', '--shape', '64', '96') == 0
    found = json.loads(capsys.readouterr().out)
    assert found['config'] == ATTO
    assert found['input_shape'] == [1, 3, 64, 96]
    assert found['params'] == found['trained']
    names = list(found['by_module'])
    assert [name for name in names if '.' not in name] == ['backbone', 'head']
    assert 'backbone.stages.2' in names
    assert not [name for name in names if name.count('.') > 2]
    for key in ('params', 'macs', 'activations'):
        assert found[key] == sum(found['by_module'][name][key] for name in ('backbone', 'head'))
    assert found['not_counted']['elementwise'] > 0


def test_table_has_the_tree_the_shares_and_what_is_not_counted(capsys):
    assert flops(ATTO, '--cfg-options', 'model.num_classes=1000') == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    at = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert [line.split()[0] for line in lines[:7]] == [
        *('module', '(all)', 'backbone', 'downsample_layers', 'stages', 'norm', 'head')
    ]
    assert at['(all)'][1] == '547.3M'
    assert at['head'] == ['321.0k', '320.0k', '0.1%', '1.000k']
    assert at['norm'] == ['640', '-', '-']
    assert lines[3].startswith('  downsample_layers')
    assert 'input: 1 x 3 x 224 x 224' in lines
    assert any(line.startswith('not counted, with how often it ran: elementwise') for line in lines)


def test_adapters_are_counted_and_the_rest_of_the_backbone_is_frozen(capsys):
    assert flops(ATTO, '--json', '--cfg-options', 'lora.rank=4') == 0
    found = json.loads(capsys.readouterr().out)
    assert flops(ATTO, '--json') == 0
    plain = json.loads(capsys.readouterr().out)
    dims, depths = (40, 80, 160, 320), (2, 2, 6, 2)
    adapters = sum(depth * 2 * 4 * (dim + 4 * dim) for dim, depth in zip(dims, depths, strict=True))
    assert found['params'] - plain['params'] == adapters
    assert found['trained'] == adapters + 2 * 320 + 1000 * 321  # final norm, head
    assert found['macs'] > plain['macs']


def test_depth_0_is_the_total_alone(capsys):
    assert flops(ATTO, '--depth', '0') == 0
    assert 'backbone ' not in capsys.readouterr().out


V2 = Row('V2', 'atto', 'configs/classification/convnextv2_a.py', '3.7', '0.55', 0.005)


@pytest.fixture
def published(monkeypatch):
    def publish(*rows: Row) -> None:
        monkeypatch.setattr('convnext_dense.cli.commands.flops.rows', lambda: iter(rows))

    return publish


def test_paper_marks_misprints_with_their_notes(published, capsys):
    wrong = V2._replace(name='other', macs='0.60', note='the norms were counted', misprint=True)
    published(V2, wrong)
    assert flops('--paper') == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    assert lines[2] == ['atto', '3.7084', '3.7', '+0.23%', '0.5473', '0.55', '-0.49%']
    assert lines[3] == ['other', '3.7084', '3.7', '+0.23%', '0.5473', '0.60', '-8.78%', 'MACs:', 'misprint', '[1]']
    assert lines[4] == ['[1]', 'V2,', 'other:', 'the', 'norms', 'were', 'counted']
    assert lines[-1][:4] == ['2', 'rows,', '0', 'numbers']


def test_paper_ends_with_what_exceeds(published, capsys):
    published(V2, V2._replace(name='other', params='4.2', note='a note explains nothing'))
    assert flops('--paper') == 1
    out = capsys.readouterr().out
    assert 'exceeds: V2, other: parameters 3.7084, published 4.2' in out
    assert '2 rows, 1 numbers exceed' in out


def test_paper_as_json(published, capsys):
    published(V2, V2._replace(params=None, macs='0.60', note='why', misprint=True))
    assert flops('--paper', '--json') == 0
    one, two = json.loads(capsys.readouterr().out)
    assert one['params'] == dict(
        ours=3.7084, published='3.7', relative=pytest.approx(0.00227, abs=1e-5), verdict='within'
    )
    assert one['macs']['ours'] == pytest.approx(0.547332480)
    assert one['input_shape'] == [1, 3, 224, 224]
    assert 'params' not in two
    assert (two['macs']['verdict'], two['note']) == ('misprint', 'why')


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ((), 'give a config, such as'),
        (('configs/classification/convnext_z.py',), 'no config at'),
        (('configs/classification',), 'is not of a run with a checkpoint: give the config there, configs/classif'),
        (('docs/images',), 'docs/images is not of a run with a checkpoint: give a config, such as '),
        ((ATTO, '--shape', '224', '-3'), '--shape 224 -3: give two positive integers'),
        ((ATTO, '--shape', '224', 'x'), 'give two positive integers'),
        ((ATTO, '--shape', '22.4', '224'), 'give two positive integers'),
        ((ATTO, '--shape', '31', '224'), 'take at least 32 x 32'),
        ((ATTO, '--depth', '-1'), '--depth -1'),
        ((ATTO, '--cfg-options', 'modl.num_classes=3'), 'did you mean model?'),
        (
            (ATTO, '--cfg-options', 'test_dataloader.dataset.transform.input_size=abc'),
            "input_size is 'abc': take a number above 0",
        ),
        (
            (ATTO, '--cfg-options', 'model.backbone.out_indices=[0,1]'),
            'the model does not run on an image of 224 x 224: model.head, which is Linear(',
        ),
        (('configs/_base_/runtime.py',), 'is not a config of this project'),
        (('--paper', ATTO), 'leave out CONFIG'),
        (('--paper', '--shape', '64', '64'), 'leave out CONFIG, --shape'),
    ],
)
def test_bad_input_is_said_in_one_line(arguments, words, capsys):
    assert flops(*arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count('\n') == 1


def test_a_shape_of_one_number_is_the_command_line_s_error(capsys):
    assert flops(ATTO, '--shape', '224') == 2
    assert capsys.readouterr().err == 'error: --shape: expected 2 arguments\n'
