"""One run at a time in a work dir."""

from convnext_dense.checkpoints import lock
from tests.helpers.small_run import train


def test_a_second_run_in_a_work_dir_is_refused(by_epoch, data, uncut, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lock, 'TIMEOUT', 0)
    held = lock.acquire(uncut)
    before = set(uncut.rglob('*'))
    assert train(by_epoch, data, uncut, '--resume') == 2
    assert 'another run is active in work dir' in capsys.readouterr().err
    assert set(uncut.rglob('*')) == before
    held.release()
    lock.acquire(uncut).release()
