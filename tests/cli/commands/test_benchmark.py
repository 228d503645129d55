"""``benchmark``: what it prints, and bad input."""

import json

import pytest

from convnext_dense.cli import run_verb


@pytest.mark.faults
def test_json_is_all_that_goes_to_stdout(capsys):
    assert run_verb('benchmark', ['--what', 'eval', '--batch', '1', '--size', '64', '--seconds', '0', '--json']) == 0
    printed = capsys.readouterr()
    content = json.loads(printed.out)
    assert [series['what'] for series in content['series']] == [
        'eval, labels',
        'eval, mIoU',
        'eval, COCO',
        'eval, RLE',
    ]
    assert 'ours is' in printed.err
    assert 'x as fast' in printed.err
    assert 'mmseg' in printed.err


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--batch', '0'], '--batch 0: take at least 1'),
        (['--threads', '0'], '--threads 0: take at least 1'),
        (['--arch', 'teeny'], "unknown arch 'teeny': take one of zepto"),
        (['--size', '16'], '--size 16: give one side or height and width, of at least 32 pixels'),
        (['--size', '64', '64', '64'], '--size 64 64 64: give one side'),
        (['--what', 'segmentor', '--batch', '1'], 'at least 2 images'),
        (['--inference'], '--inference is for --what segmentor and detector'),
        (['--what', 'loader', '--size', '64', '32'], 'the loader makes squares'),
        (['--what', 'loader', '--data', 'nowhere'], 'no data at nowhere'),
        (['--what', 'eval', '--out', '/dev/null/x'], 'cannot be written'),
        (['--compile'], '--compile needs a C++ compiler'),
    ],
)
def test_bad_input(arguments, said, capsys, monkeypatch):
    monkeypatch.setattr('convnext_dense.models.compiling.shutil.which', lambda name: None)
    assert run_verb('benchmark', [*arguments, '--seconds', '0']) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: ')
    assert said in error
