"""A folder that bad input does not leave behind."""

import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.new_folder import NewFolder


def refuse(folder, error=UserError, **options):
    with pytest.raises(error), NewFolder(folder, **options):
        assert folder.is_dir()
        (folder / 'logs').mkdir()
        (folder / 'logs/run.log').touch()
        raise error('no')


def test_a_new_folder_goes_with_its_new_parents(tmp_path):
    refuse(tmp_path / 'a/b/c')
    assert not list(tmp_path.iterdir())


def test_a_folder_that_was_there_stays_and_so_does_one_that_others_use(tmp_path):
    refuse(tmp_path)
    assert (tmp_path / 'logs/run.log').exists()
    with pytest.raises(UserError), NewFolder(tmp_path / 'new/run'):
        (tmp_path / 'new/other').touch()
        raise UserError('no')
    assert [one.name for one in (tmp_path / 'new').iterdir()] == ['other']


def test_results_and_other_errors_keep_it(tmp_path):
    refuse(tmp_path / 'bug', RuntimeError)
    with pytest.raises(UserError), NewFolder(tmp_path / 'run', results='*.pth'):
        (tmp_path / 'run/epoch_1.pth').touch()
        raise UserError('no')
    with NewFolder(tmp_path / 'fine'):
        pass
    assert sorted(one.name for one in tmp_path.iterdir()) == ['bug', 'fine', 'run']


def test_a_place_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match=r'folder .*file/out cannot be written .*: choose another with --out-dir'):
        NewFolder(tmp_path / 'file/out', 'folder', '--out-dir')
