"""Where a value was set last: command line, settings for the sample, a file or one of its bases."""

from convnext_dense.config.precedence import IMAGE_SIZE, OPTIONS, SAMPLE, UNKNOWN, Settings


def test_ranks(tmp_path):
    (tmp_path / 'far.py').write_text('a = dict(x=1, y=1, z=1, list=[dict(x=1)])')
    (tmp_path / 'base.py').write_text("_base_ = './far.py'\na = dict(y=2)\nside = 3\nb = dict(x=side, y=side)")
    (tmp_path / 'own.py').write_text("_base_ = './base.py'\na = dict(z=3, v=1)")
    of = Settings(tmp_path / 'own.py', {'c': {'x': 1}}, sized={'a.v': 7}, options={'d.pipeline.0': 1})
    far, base, own = (str(tmp_path / name) for name in ('far.py', 'base.py', 'own.py'))
    assert of(('a', 'x')) == (-2, far)
    assert of(('a', 'list', 0, 'x')) == (-2, far)
    assert of(('a', 'y')) == (-1, base)
    assert of(('b', 'x')) == of(('b', 'y')) == (-1, base)
    assert of(('a', 'z')) == (0, own)
    assert of(('a', 'v')).rank == IMAGE_SIZE
    assert of(('c', 'x')).rank == SAMPLE
    assert of(('d', 'pipeline', 0, 'crop_size')).rank == OPTIONS
    assert of(('d', 'pipeline', 1, 'crop_size')).rank == UNKNOWN
    assert not of(('p',)).overrides(of(('q',)))


def test_a_file_that_does_not_parse_alone_sets_nothing_known(tmp_path):
    (tmp_path / 'own.py').write_text('a = (')
    assert Settings(tmp_path / 'own.py', {})(('a',)).rank == UNKNOWN
