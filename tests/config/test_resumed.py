"""A run is resumed with the image size that it had, and data that have moved are said."""

import shutil

import pytest

from convnext_dense.config.find import find_run_config
from convnext_dense.config.resumed import check_resumed
from convnext_dense.errors import UserError
from tests.config.test_compare import CASCADE, UPERNET, read, write_run
from tests.helpers.run_tool import ATTO
from tests.helpers.small_run import BY_EPOCH, train, write_config


@pytest.mark.parametrize('config', [ATTO, CASCADE, UPERNET])
def test_the_same_config_goes_on_without_a_word(config, tmp_path):
    cfg = read(config, 'sample')
    assert (
        check_resumed(read(config, 'sample', optim_wrapper__optimizer__lr=1.0), write_run(tmp_path / 'run', cfg))
        is None
    )


@pytest.mark.parametrize('config', [ATTO, CASCADE, UPERNET])
def test_another_image_size_is_refused(config, tmp_path):
    from convnext_dense.io.image_size import ImageSize
    from convnext_dense.tasks import task_of

    work_dir, cfg = write_run(tmp_path / 'run', read(config, 'sample')), read(config, 'sample')
    task_of(cfg).set_image_size(cfg, ImageSize(96, 96))
    said = r'the run had .* and now has .*96.*: resume with the sizes that it had'
    with pytest.raises(UserError, match=said) as error:
        check_resumed(cfg, work_dir)
    assert f'had, as in {find_run_config(work_dir)}, without --image-size; to change' in str(error.value)
    (work_dir / 'commands.txt').write_text('train a.py --image-size 64 80 --batch 2\ntrain a.py --resume\n')
    with pytest.raises(UserError, match='the sizes that it had, --image-size 64 80, as it was started; to change'):
        check_resumed(cfg, work_dir)


def test_other_tiles_are_refused(tmp_path):
    tiles = {'size': (96, 96), 'overlap': 0.3}
    tiled, plain = read(CASCADE, tiles=tiles), read(CASCADE)
    run, other = write_run(tmp_path / 'run', tiled), write_run(tmp_path / 'plain', plain)
    assert check_resumed(read(CASCADE, tiles={**tiles, 'size': 96}), run) is None
    has = 'tiles of 96 x 96, overlap 0.3, share of empty tiles 0.1, least visible share 0.3'
    with pytest.raises(UserError) as error:
        check_resumed(read(CASCADE, tiles={**tiles, 'empty_share': 0.5}), run)
    assert str(error.value).startswith(f'the run had {has}, and now has tiles of 96 x 96, overlap 0.3, share of empty')
    assert 'empty tiles 0.5, least visible share 0.3: resume with what it had, as in' in str(error.value)
    with pytest.raises(UserError, match=f'the run had {has}, and now has no tiles'):
        check_resumed(plain, run)
    with pytest.raises(UserError, match=f'the run had no tiles, and now has {has}'):
        check_resumed(tiled, other)


@pytest.mark.parametrize('config', [ATTO, CASCADE, UPERNET])
def test_data_in_another_place_are_said(config, tmp_path):
    cfg = read(config, 'sample')
    work_dir = write_run(tmp_path / 'run', cfg)
    dataset = cfg.train_dataloader.dataset
    key = next(key for key in ('root', 'annotations', 'images') if key in dataset)
    before, dataset[key] = dataset[key], '/moved/data'
    line = check_resumed(cfg, work_dir)
    assert line.startswith(f'the run learned from {before}, and goes on with /moved/data')


def test_a_work_dir_without_a_config_tells_nothing(tmp_path):
    assert check_resumed(read(ATTO, 'sample'), tmp_path) is None


def test_a_resume_that_trains_nothing_leaves_the_saved_config(own_image_folder, tmp_path, capsys):
    config, work_dir = write_config(tmp_path / 'tiny.py', BY_EPOCH), tmp_path / 'run'
    assert train(config, own_image_folder, work_dir) == 0
    saved = (work_dir / 'tiny.py').read_text()
    larger = ('train_dataloader.dataset.transform.input_size=64',)
    assert train(config, own_image_folder, work_dir, '--resume', options=larger) == 2
    assert 'the run had crops of' in capsys.readouterr().err
    moved = shutil.copytree(own_image_folder, tmp_path / 'moved')
    options = ('default_hooks.logger.interval=3',)
    assert train(config, moved, work_dir, '--resume', options=options) == 0
    said = capsys.readouterr().out
    assert f'goes on with {moved}' in said and 'the run was finished' in said
    assert (work_dir / 'tiny.py').read_text() == saved
