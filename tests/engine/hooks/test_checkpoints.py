"""Which checkpoints a run keeps, and what a full disk leaves."""

import torch

from convnext_dense.engine.csv_log import read_scalars
from tests.helpers.run_tool import train


def test_a_full_disk_leaves_the_checkpoint_before(image_folder, tmp_path, monkeypatch, capsys):
    def fail_in_epoch_two(content, file, save=torch.save):
        if content['meta']['epoch'] == 2:
            file.write(b'half')
            raise OSError(28, 'No space left on device')
        save(content, file)

    monkeypatch.setattr(torch, 'save', fail_in_epoch_two)
    assert train(image_folder, tmp_path, options=('default_hooks.checkpoint.keep=1',)) == 2
    error = capsys.readouterr().err
    assert 'No space left on device' in error
    assert 'free some space and continue with --resume' in error
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']
    assert torch.load(tmp_path / 'epoch_1.pth', weights_only=True)['meta']['epoch'] == 1


def test_checkpoints_are_pruned_and_the_best_is_kept(image_folder, tmp_path):
    options = ('default_hooks.checkpoint.keep=2', 'default_hooks.checkpoint.best=raw/top1')
    assert train(image_folder, tmp_path, '--epochs', '4', options=options) == 0
    assert {path.name for path in tmp_path.glob('*.pth')} == {'epoch_3.pth', 'epoch_4.pth', 'best.pth'}
    best = torch.load(tmp_path / 'best.pth', weights_only=True)
    top1 = dict(read_scalars(tmp_path)['val/raw/top1'])
    assert top1[best['meta']['epoch']] == max(top1.values()) == best['runtime_info']['best_score']
