import os
import re
import time

import pytest

from convnext_dense.errors import UserError
from convnext_dense.tuning.storage import open_storage, shown, with_retries
from convnext_dense.tuning.study import Study
from tests.helpers.fake_training import plan


@pytest.mark.parametrize('cut', [1, 20])
def test_line_that_was_cut_by_a_power_failure_is_removed(tmp_path, cut):
    study = Study(tmp_path, None, plan())
    work = study.claim(2)
    study.finish(work, 'complete', 1.0, '')
    file = tmp_path / 'study.log'
    complete = file.read_bytes()
    file.write_bytes(complete + complete.splitlines(keepends=True)[-1][:-cut])
    again = Study(tmp_path, None, plan())
    assert file.read_bytes() == complete
    assert again.trials()[0].value == 1.0 and again.claim(2).number == 1


def test_lock_that_a_killed_process_left_is_released_after_a_while(tmp_path, monkeypatch):
    from optuna.storages.journal import JournalFileSymlinkLock

    Study(tmp_path, None, plan())
    os.symlink(tmp_path / 'study.log', tmp_path / 'study.log.lock')
    init = JournalFileSymlinkLock.__init__
    monkeypatch.setattr(JournalFileSymlinkLock, '__init__', lambda self, path: init(self, path, grace_period=3))
    monkeypatch.chdir(tmp_path.parent)  # also by a relative path
    begin = time.monotonic()
    assert Study(tmp_path.name, None, plan()).claim(1).number == 0
    assert time.monotonic() - begin < 20


def test_other_files_are_refused(tmp_path):
    (tmp_path / 'study.log').write_text('hello\n')
    with pytest.raises(UserError, match=r'study.log is not the journal of a study, or is damaged'):
        open_storage(tmp_path, None)


def test_file_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(UserError, match=re.escape('/proc/study.log cannot be used (')):
        open_storage(tmp_path, '/proc/study.log')


def test_database_that_cannot_be_reached_is_refused(tmp_path):
    with pytest.raises(
        UserError, match=r'^--storage sqlite:////nowhere/study.db cannot be used \(.*unable to open'
    ) as e:
        open_storage(tmp_path, 'sqlite:////nowhere/study.db')
    assert '\n' not in str(e.value)
    with pytest.raises(UserError, match=r'^--storage nonsense://x cannot be used'):
        open_storage(tmp_path, 'nonsense://x')


def test_missing_driver_is_named(tmp_path):
    with pytest.raises(UserError, match=r'^--storage mysql\+nothere://user:\*\*\*@host/name .*\S'):
        open_storage(tmp_path, 'mysql+nothere://user:secret@host/name')
    with pytest.raises(UserError, match=r'needs the package (psycopg2|psycopg)'):
        open_storage(tmp_path, 'postgresql://user:secret@host/name')


def test_passwords_are_not_shown():
    assert shown('postgresql://a:secret@host:5432/name') == 'postgresql://a:***@host:5432/name'
    assert shown('sqlite:///study.db') == 'sqlite:///study.db'


def test_access_is_tried_again():
    tries = []

    def access() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise OSError(5, 'Input/output error')
        return 7

    assert with_retries(access, (0, 0)) == 7
    tries[:] = [1] * -9
    with pytest.raises(UserError, match=r'the study cannot be written \(Input/output error\)'):
        with_retries(access, (0,))


def test_full_disk_is_said_at_once():
    def access() -> None:
        tries.append(1)
        raise OSError(28, 'No space left on device')

    tries: list[int] = []
    with pytest.raises(UserError, match='No space left on device'):
        with_retries(access)
    assert len(tries) == 1
