"""A network of the roadmap as the backbone of a detector and a segmentor, put there from the command line."""

import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.models import ImageClassifier
from tests.e2e.test_dense import DET, SEG, SMALL
from tests.helpers import coco_files
from tests.helpers.mask_folder import write_mask_folder

DIMS = '[8,16,32,64]'


def data_of(config: str, root) -> str:
    if config == SEG:
        return str(write_mask_folder(root))
    for split in ('train', 'val'):
        coco_files.write(root, coco_files.content(), split)
    return str(root)


@pytest.mark.parametrize(
    ('config', 'heads', 'length'),
    [
        (DET, [f'model.neck.in_channels={DIMS}'], ['--epochs', '1']),
        (SEG, [f'model.decode_head.in_channels={DIMS}', 'model.auxiliary_head.in_channels=32'], ['--iters', '2']),
    ],
)
def test_a_trained_step_moves_into_dense_models(config, heads, length, tmp_path, capsys):
    network = dict(type='convnext_dense.RoadmapNet', track='resnet50', step='gelu')  # with BatchNorm
    trained = ImageClassifier(dict(network, out_indices=None, depths=[1, 1, 1, 1], width=8), num_classes=5)
    before = {
        name: tensor + (tensor.ndim == 1) * torch.rand(tensor.shape) for name, tensor in trained.state_dict().items()
    }
    torch.save({'state_dict': before}, tmp_path / 'trained.pth')

    backbone = dict(network, _delete_=True, norm_eval=True, depths='[1,1,1,1]', width=8)
    argv = [config, '--data', data_of(config, tmp_path / 'data'), *length, '--work-dir', str(tmp_path / 'dense')]
    argv += ['--pretrained', str(tmp_path / 'trained.pth'), '--cfg-options', *SMALL[config], *heads]
    argv += [f'model.backbone.{name}={value}' for name, value in backbone.items()]
    assert run_verb('train', argv) == 0
    assert 'left over in the file: head' in capsys.readouterr().out
    assert all(0 < loss < 50 for _, loss in read_scalars(tmp_path / 'dense')['train/loss'])
    after = torch.load(next((tmp_path / 'dense').glob('[ei]*.pth')), weights_only=True)['state_dict']
    trunk = [name for name in before if name.startswith('backbone.')]
    unchanged = {name for name in trunk if torch.equal(before[name], after[name])}
    statistics = {name for name in trunk if 'running' in name or name.endswith('tracked')}
    assert statistics
    assert statistics <= unchanged  # norm_eval
    assert any(name.endswith('dwconv.weight') for name in set(trunk) - unchanged)
