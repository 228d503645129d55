from types import SimpleNamespace

import pytest

from convnext_dense.cli.parser import Parser
from convnext_dense.cli.tile_arguments import add_tile_arguments, tile_options
from convnext_dense.errors import UserError
from convnext_dense.tasks.tiles import TileOptions


def parse(*argv):
    parser = Parser('demo', None, 'RUN photo.tif')
    parser.add_argument('input', nargs='+')
    add_tile_arguments(parser, '--empty-tiles', '--least-visible', '--whole-image')
    return parser.parse_args(argv)


def test_arguments():
    shares = ('--overlap', '0.5', '--empty-tiles', '0', '--least-visible', '1', '--whole-image')
    args = parse('a.tif', '--tile', '640', '512', *shares)
    assert tile_options(args) == TileOptions((640, 512), 0.5, 0.0, 1.0, True)
    assert tile_options(parse('a.tif')) == tile_options(SimpleNamespace()) == TileOptions()


@pytest.mark.parametrize('tile', [['--tile', '640'], ['--tile=640'], ['--tile', '640', '640'], ['--tile', '640,640']])
def test_what_follows_the_numbers_of_a_tile_is_not_one(tile):
    args = parse('run', *tile, 'a.tif', 'b.tif')
    assert (args.tile, args.input) == ((640, 640), ['run', 'a.tif', 'b.tif'])
    assert parse('run', *tile).input == ['run']


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['--tile', '16'], '--tile: tiles of 16 x 16 pixels are smaller than the stride of the networks, 32'),
        (['--tile', '640', '0'], '--tile: tiles of 640 x 0 pixels are smaller than the stride'),
        (['--tile', '0.5'], '--tile: 0.5 is no size: give height and width in pixels, or one whole number for both'),
        (['--tile', 'x.tif'], '--tile: x.tif is no size'),
        (['--tile', '1,2,3'], '--tile: 1,2,3 is no size'),
        (['--tile'], '--tile: expected one argument'),
        (['--overlap', '0.51'], '--overlap: an overlap of 0.51 is not a share of a tile: choose one from 0 to 0.5'),
        (['--overlap', 'nan'], '--overlap: an overlap of nan is not a share of a tile'),
        (['--overlap', 'half'], '--overlap: half is not a number'),
        (['--empty-tiles', '1'], '--empty-tiles: 1 is not a share of the tiles of an epoch: choose one from 0 to'),
        (['--empty-tiles', '-0.1'], '--empty-tiles: -0.1 is not a share of the tiles of an epoch'),
        (['--least-visible', '0'], '--least-visible: 0 is not a share of a box: choose one above 0, up to 1'),
        (['--least-visible', '1.5'], '--least-visible: 1.5 is not a share of a box'),
    ],
)
def test_wrong_ones(argv, message):
    with pytest.raises(UserError) as error:
        parse('a.tif', *argv)
    assert str(error.value).startswith(message)
