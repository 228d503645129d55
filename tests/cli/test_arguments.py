"""Arguments that verbs share: values of the config, and paths that have changed places."""

import argparse
from pathlib import Path

import pytest
from mmengine.config import DictAction

from convnext_dense.cli import run_verb
from convnext_dense.cli.arguments import CLASSIFICATION_FORMATS, add_reading_arguments, command_line, parse_options
from convnext_dense.cli.main import build_parser
from convnext_dense.data.classification.layout import FORMATS as CLASSES_READ
from convnext_dense.errors import UserError
from convnext_dense.tasks import DataOptions
from tests.helpers.run_tool import ATTO

DET = 'configs/det/cascade_convnext_t_coco.py'
SEG = 'configs/seg/upernet_convnext_a_ade20k.py'


def test_options_have_the_values_that_mmengine_gives_them():
    texts = [
        'a=1',
        'b.c=1e-3',
        'd=True',
        'e=None',
        'f=[1,2,(3,x)]',
        'g=1,2',
        "h='[1,2]'",
        'i=(1,)',
        'j=a=b',
        'k=',
        'l=/data/x(1)',
        'm=-inf',
        'n=true',
        'o=[]',
        'p=[ 1 , [x, y] ]',
    ]
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    expected = parser.parse_args(['--cfg-options', *texts]).cfg_options
    assert parse_options(texts) == expected
    assert expected['f'] == [1, 2, (3, 'x')] and expected['e'] is None  # so that it is not all text


def test_options_that_are_given_twice_add_up_and_the_last_value_counts():
    argv = [ATTO, '--cfg-options', 'a=1', 'b=2', '--cfg-options', 'a=3']
    for _ in range(2):  # the default is not changed by the first
        assert parse_options(build_parser('train').parse_args(argv).cfg_options) == {'a': 3, 'b': 2}
    assert parse_options(build_parser('train').parse_args([ATTO]).cfg_options) == {}


def test_another_verbs_command_has_the_form_of_this_one():
    forms = {'convnext-dense train': 'convnext-dense plot-log', 'python tools/train.py': 'python tools/plot_log.py'}
    for prog, start in forms.items():
        args = argparse.Namespace(prog=prog)
        assert command_line(args, 'plot-log', Path('my runs/a'), 1) == f"{start} 'my runs/a' 1"


def test_brackets_that_do_not_match():
    with pytest.raises(UserError, match=r'--cfg-options a=\[\(1,2\]: its brackets do not match'):
        parse_options(['a=[(1,2]'])


def test_options_may_be_dicts_and_keep_their_spaces():
    assert parse_options(['a=dict(b=[1,x])', 'c=/data/my images']) == {'a': {'b': [1, 'x']}, 'c': '/data/my images'}


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ('test w.pth {atto}', 'CONFIG comes before CHECKPOINT: {prog}test {atto} w.pth ...'),
        ('export_onnx {tmp} {atto} o.onnx', 'CONFIG comes before CHECKPOINT: {prog}export-onnx {atto} {tmp} ...'),
        ('demo w.pth {atto} a.jpg', 'CONFIG comes before CHECKPOINT: {prog}demo {atto} w.pth ...'),
        ('test {atto}', 'CHECKPOINT is missing, a file or the work dir of a run: {prog}test {atto} CHECKPOINT ...'),
        ('test {tmp}', '{tmp} is not from the work dir of a run, which has a config: give CONFIG before it'),
        ('test absent', 'no checkpoint at absent: check the path'),
        ('demo a.jpg {tmp}', 'a.jpg is in the place of CHECKPOINT: {prog}demo {tmp} a.jpg ...'),
        ('demo {atto} a.jpg w.pth', 'a.jpg is in the place of CHECKPOINT: {prog}demo {atto} w.pth a.jpg ...'),
        ('demo {atto} a.jpg b.mp4', 'a.jpg is in the place of CHECKPOINT: {prog}demo {atto} CHECKPOINT a.jpg ...'),
        ('train {atto} --data {atto}', '--data {atto} is a config: give the root folder of a data set'),
        (
            'train {atto} --pretrained convnext_tiny_1k_225',
            'no checkpoint at convnext_tiny_1k_225: did you mean convn',
        ),
        ('train {atto} --pretrained absent.pth', 'no checkpoint at absent.pth: check the path'),
        ('demo {atto} {tmp} http://x.org/a.jpg', 'http://x.org/a.jpg is a URL: download the file'),
    ],
)
def test_arguments_in_the_wrong_place(arguments, expected, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('sys.argv', ['convnext-dense'])
    values = {'atto': ATTO, 'tmp': tmp_path, 'prog': 'convnext-dense '}
    verb, *argv = arguments.format(**values).split()
    assert run_verb(verb, argv) == 2
    said = capsys.readouterr().err
    assert said.startswith(f'error: {expected.format(**values)}') and said.count('\n') == 1


@pytest.mark.parametrize('verb', ['train', 'test', 'check_data', 'config', 'param_groups'])
@pytest.mark.parametrize(
    'flags', ['--data-format coco', '--mask-labels binary', '--mask-folder labels', '--label-column species']
)
def test_flags_that_say_how_data_are_read_need_data(verb, flags, tmp_path, capsys):
    argv = [ATTO, *([str(tmp_path)] if verb == 'test' else []), *flags.split()]
    assert run_verb(verb, argv) == 2
    said = capsys.readouterr().err
    assert said == f'error: {flags} says how the data set at --data PATH is read: name it with --data PATH\n'


@pytest.mark.parametrize(
    ('config', 'flags', 'task', 'own'),
    [
        (DET, '--mask-labels binary', 'segmentation', 'detection'),
        (DET, '--mask-folder labels', 'segmentation', 'detection'),
        (DET, '--label-column species', 'classification', 'detection'),
        (ATTO, '--mask-labels index', 'segmentation', 'classification'),
        (ATTO, '--mask-folder labels', 'segmentation', 'classification'),
        (SEG, '--label-column species', 'classification', 'segmentation'),
    ],
)
@pytest.mark.parametrize('verb', ['check_data', 'config'])
def test_flags_of_another_task(verb, config, flags, task, own, tmp_path, capsys):
    assert run_verb(verb, [config, '--data', str(tmp_path), *flags.split()]) == 2
    said = capsys.readouterr().err
    assert said == f'error: {flags} is for {task}, and the config is for {own}: leave it out\n'


def test_every_flag_on_reading_is_an_option_of_the_data():
    parser = argparse.ArgumentParser()
    add_reading_arguments(parser)
    split = {'val_split', 'folds', 'fold', 'split_group', 'split_seed'}  # to one rule
    choice = {'classes', 'merge', 'ignore_classes'}  # to one choice
    flags = {action.dest for action in parser._actions} - {'help', 'data_format'} - split - choice
    assert flags | {'format', 'split', 'choice'} == set(DataOptions._fields)


def test_the_layouts_of_classification_are_those_that_are_read():
    assert tuple(CLASSES_READ) == CLASSIFICATION_FORMATS


@pytest.mark.parametrize('verb', ['train', 'test', 'demo', 'export_onnx'])
@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        ('--mean .5 .5 .5', '--mean is given alone: give --mean and --std'),
        ('--std .5 .5 .5', '--std is given alone'),
        (
            '--mean 123.675 116.28 103.53 --std .2 .2 .2',
            '--mean 123.675 116.28 103.53: it is of values from 0 to 1: divide',
        ),
        ('--mean .5 .5 .5 --std 58.395 57.12 57.375', 'divide by 255'),
        ('--mean .5 .5 .5 --std .2 0 .2', '--std 0.2 0 0.2: take numbers above 0 to 1'),
        ('--mean .5 -.5 .5 --std .2 .2 .2', 'take numbers from 0 to 1'),
        ('--mean nan .5 .5 --std .2 .2 .2', 'take numbers from 0 to 1'),
        ('--mean .5 .5 --std .2 .2 .2', '--mean has 2 values and --std 3'),
    ],
)
def test_a_wrong_mean_or_std_is_one_line(verb, flags, message, tmp_path, error, capsys):
    (tmp_path / 'w.pth').touch()
    inputs = {'train': [], 'test': ['w.pth'], 'demo': ['w.pth', 'a.jpg'], 'export_onnx': ['w.pth', 'out.onnx']}[verb]
    paths = [str(tmp_path / name) for name in inputs]
    assert run_verb(verb, [ATTO, *paths, *flags.split()]) == 2
    assert message in error()
