"""Files appear whole or not at all, and are read with patience."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.files import (
    HOST,
    RETRY_DELAYS,
    atomic_folder,
    atomic_write,
    check_replaceable,
    read_with_retries,
    replaced_folder,
    write_errors,
)


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('old')
    with atomic_write(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, '.json')
        temporary.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as temporary:
        temporary.write_text('half')
        raise KeyboardInterrupt
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_threads_that_write_the_same_file_do_not_share_the_temporary_one(tmp_path):
    path = tmp_path / 'a.json'
    with atomic_write(path) as first, ThreadPoolExecutor(1) as pool:
        pool.submit(_write, path, 'second').result()
        assert path.read_text() == 'second'
        first.write_text('first')
    assert path.read_text() == 'first'
    assert list(tmp_path.iterdir()) == [path]


def _write(path, text):
    with atomic_write(path) as temporary:
        temporary.write_text(text)


@pytest.fixture
def hiccup(monkeypatch):
    """Make the next so many attempts to read a file fail; the list holds what was tried."""

    def begin(failures: int, number: int) -> list[Path]:
        tried = []

        def read(self: Path, original=Path.read_bytes) -> bytes:
            tried.append(self)
            if len(tried) <= failures:
                raise OSError(number, os.strerror(number), str(self))
            return original(self)

        monkeypatch.setattr(Path, 'read_bytes', read)
        return tried

    return begin


@pytest.mark.parametrize('number', [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN])
def test_an_error_that_passes_is_waited_for(number, tmp_path, hiccup, monkeypatch, caplog):
    waited: list[float] = []
    monkeypatch.setattr('time.sleep', waited.append)
    monkeypatch.setattr('convnext_dense.io.files.RETRY_DELAYS', RETRY_DELAYS)
    (tmp_path / 'a').write_bytes(b'content')
    tried = hiccup(3, number)
    assert read_with_retries(tmp_path / 'a') == b'content'
    assert (len(tried), waited) == (4, [0.2, 1.0, 5.0])
    assert f'a was read at attempt 4 (before: {os.strerror(number)})' in caplog.text


def test_an_error_that_stays_is_named_with_the_attempts(tmp_path, hiccup):
    tried = hiccup(99, errno.EIO)
    with pytest.raises(OSError, match=f'Input/output error, 4 times: .*{tmp_path}/a') as error:
        read_with_retries(tmp_path / 'a')
    assert (error.value.errno, len(tried)) == (errno.EIO, 4)


def test_only_what_may_pass_is_tried_again(tmp_path, hiccup):
    for number, seen, attempts in (
        (errno.EACCES, True, 1),
        (errno.EISDIR, True, 1),
        (errno.ENOENT, False, 1),  # most likely the name is wrong
        (errno.ENOENT, True, 4),
    ):
        tried = hiccup(99, number)
        with pytest.raises(OSError, match=os.strerror(number)):
            read_with_retries(tmp_path / 'a', seen)
        assert len(tried) == attempts


def test_a_folder_is_complete_or_absent(tmp_path):
    out = tmp_path / 'deep' / 'out'
    with atomic_folder(out) as folder:
        (folder / 'a').write_text('a')
        assert folder.parent == out.parent and not out.exists()
    assert [path.name for path in tmp_path.rglob('*')] == ['deep', 'out', 'a']
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / 'other') as folder:
        (folder / 'a').write_text('a')
        raise ZeroDivisionError
    with (
        pytest.raises(UserError, match=r'out is not empty: name a new folder, or empty it first$'),
        atomic_folder(out),
    ):
        pass
    with pytest.raises(UserError, match=r'a is a file: name a new folder$'), atomic_folder(out / 'a'):
        pass
    assert os.listdir(tmp_path) == ['deep'] and (out / 'a').read_text() == 'a'


def test_only_folders_of_ended_processes_of_this_machine_are_removed(tmp_path):
    """A process holds a lock; the process ids of another machine, on a shared disk, say nothing here."""
    running, ended, other, foreign = (
        tmp_path / f'.{name}.partial'
        for name in (f'{HOST}.1.out', f'{HOST}.2.out', f'{HOST}.3.mine', 'elsewhere.4.out')
    )
    for folder in (running, ended, other, foreign):
        (folder / 'a').mkdir(parents=True)
        Path(f'{folder}.lock').touch()
    code = f'import sys, filelock; lock = filelock.FileLock("{running}.lock"); lock.acquire()'
    code += '; print(flush=True); sys.stdin.read()'
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}
    with subprocess.Popen([sys.executable, '-c', code], **pipes) as process:
        assert process.stdout.readline() == b'\n'
        with atomic_folder(tmp_path / 'out') as folder, atomic_folder(tmp_path / 'b'):
            assert HOST in folder.name
        process.stdin.close()
    kept = [name for folder in (running, other, foreign) for name in (folder.name, f'{folder.name}.lock')]
    assert sorted(os.listdir(tmp_path)) == sorted(['out', 'b', *kept])


def test_an_error_of_reading_is_no_error_of_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / 'out'):
        (tmp_path / 'source').read_bytes()
    said = r'out cannot be written \(No space left on device\): choose another with --x$'
    with (
        pytest.raises(UserError, match=said),
        atomic_folder(tmp_path / 'out'),
        write_errors(tmp_path / 'out', '--x'),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert os.listdir(tmp_path) == []


def test_what_keeps_a_folder_from_being_written_is_named(tmp_path):
    (tmp_path / 'file').touch()
    said = r'file/out cannot be written \((Not a directory|File exists)\): choose another with --out$'
    with pytest.raises(UserError, match=said), atomic_folder(tmp_path / 'file/out', '--out'):
        pass


def test_a_folder_that_takes_no_folders_is_no_wait(tmp_path):
    """The kernel's own error, at which a lock would be tried again and again."""
    said = r'^/proc/x cannot be written \(No such file or directory\): choose another with --out$'
    with pytest.raises(UserError, match=said), atomic_folder('/proc/x', '--out'):
        pass
    with (
        pytest.raises(UserError, match=r'cannot be written \(File name too long\)'),
        atomic_folder(tmp_path / ('x' * 250)),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_the_current_folder_is_not_taken_away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ('.', tmp_path):
        with pytest.raises(UserError, match=r'is the current folder: name a new folder in it$'), atomic_folder(name):
            pass
    assert os.getcwd() == str(tmp_path)


def fill(folder: Path, name: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / 'marker').touch()
    (folder / name).touch()


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    out = tmp_path / 'deep/out'
    for name in ('first', 'second'):
        with replaced_folder(out, 'marker') as folder:
            assert folder.parent == out.parent and not list(folder.iterdir())
            fill(folder, name)
        assert sorted(file.name for file in out.iterdir()) == sorted(['marker', name])
    assert [path.name for path in out.parent.iterdir()] == ['out']


@pytest.mark.parametrize('error', [KeyboardInterrupt, UserError('bad')])
def test_a_folder_that_is_not_filled_leaves_the_earlier_one(tmp_path, error):
    out = tmp_path / 'out'
    fill(out, 'first')
    with pytest.raises((KeyboardInterrupt, UserError)), replaced_folder(out, 'marker') as folder:
        fill(folder, 'second')
        raise error
    assert sorted(file.name for file in out.iterdir()) == ['first', 'marker']
    assert [path.name for path in tmp_path.iterdir()] == ['out']


def test_the_earlier_folder_comes_back_if_the_new_one_cannot_be_moved(tmp_path, monkeypatch):
    out = tmp_path / 'out'
    fill(out, 'first')
    rename = Path.rename

    def fail(self, target):
        if self.name.endswith('.partial'):
            raise OSError(28, 'No space left on device')
        return rename(self, target)

    monkeypatch.setattr(Path, 'rename', fail)
    with (
        pytest.raises(UserError, match=r'cannot be written \(No space left'),
        replaced_folder(out, 'marker') as new,
    ):
        fill(new, 'second')
    assert sorted(file.name for file in out.iterdir()) == ['first', 'marker']
    assert [path.name for path in tmp_path.iterdir()] == ['out']


def test_folders_and_files_of_other_kinds_are_not_replaced(tmp_path, monkeypatch):
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/photo.jpg').touch()
    for path, problem in (
        (
            tmp_path / 'other',
            'holds other files and no marker, so that it is not replaced: name a new folder with',
        ),
        (tmp_path / 'other/photo.jpg', 'is a file: name a new folder with --out'),
    ):
        with pytest.raises(UserError, match=problem):
            check_replaceable(path, 'marker', '--out')
    (tmp_path / 'empty').mkdir()
    check_replaceable(tmp_path / 'empty', 'marker')
    monkeypatch.chdir(tmp_path / 'empty')
    with pytest.raises(UserError, match='is the current folder: name a new folder'):
        check_replaceable('.', 'marker')
