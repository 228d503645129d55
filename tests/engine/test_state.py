"""The state of a run is collected and restored whole."""

from pathlib import Path

import torch

from convnext_dense.engine.csv_log import read_scalars
from tests.helpers.run_tool import train


def losses(work_dir: Path) -> list[tuple[int, float]]:
    return read_scalars(work_dir)['train/loss']


def test_resume_goes_on_with_weights_average_optimizer_and_schedule(image_folder, tmp_path, capsys):
    options = ('model.backbone.drop_path_rate=0.3',)
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    assert train(image_folder, whole, options=options) == 0
    assert train(image_folder, cut, options=options) == 0
    (cut / 'epoch_2.pth').unlink()
    assert train(image_folder, cut, '--resume', options=options) == 0
    a, b = (torch.load(folder / 'epoch_2.pth', weights_only=True) for folder in (whole, cut))
    for part in ('state_dict', 'ema_state_dict'):
        assert all(torch.equal(t, b[part][n]) for n, t in a[part].items())
    assert a['optimizer']['state'][0]['step'] == b['optimizer']['state'][0]['step'] == 12
    assert losses(whole) == losses(cut)

    assert train(image_folder, cut, '--resume', '--epochs', '3', options=options) == 2
    assert 'had 12 steps and now has 18' in capsys.readouterr().err
