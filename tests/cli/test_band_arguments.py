import argparse
from types import SimpleNamespace

import pytest

from convnext_dense.cli.band_arguments import add_band_arguments, band_arguments
from convnext_dense.tasks.bands import BandOptions


def parse(*argv):
    parser = argparse.ArgumentParser()
    add_band_arguments(parser, '--rgb-bands', '--display-bands', '--image-stats')
    return parser.parse_args(argv)


def test_arguments():
    args = parse('--bands', '8,4,3,2', '--rgb-bands', '4,3,2', '--display-bands', '8,4,3', '--image-stats', 's.json')
    assert band_arguments(args) == {'bands': BandOptions((8, 4, 3, 2), (4, 3, 2), (8, 4, 3), 's.json')}
    assert band_arguments(parse('--bands', 'all'))['bands'].bands == 'all'
    assert band_arguments(SimpleNamespace()) == {'bands': BandOptions()}


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--bands', '0'], 'bands 0: they are counted from 1'),
        (['--bands', '1,1'], 'band 1 is named twice'),
        (['--display-bands', '1,2'], 'give the numbers of three bands'),
    ],
)
def test_wrong_ones(argv, message, capsys):
    with pytest.raises(SystemExit):
        parse(*argv)
    assert message in capsys.readouterr().err
