"""A checkpoint can't run code, whichever way it comes in."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from convnext_dense.cli import run_verb
from convnext_dense.config import read_config
from convnext_dense.engine.runner import build_model
from convnext_dense.errors import UserError

from .run_tool import ATTO, test, train
from .small_models import write_config

TINY = ('model.backbone.arch={"depths":[1,1,1,1],"dims":[4,8,12,16]}',)


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope='module')
def trained(image_folder, tmp_path_factory) -> Path:
    """A work dir with a run of one epoch."""
    work_dir = tmp_path_factory.mktemp('trained')
    assert train(image_folder, work_dir, '--epochs', '1') == 0
    return work_dir


@pytest.fixture
def canary(tmp_path) -> Path:
    return tmp_path / 'canary'


@pytest.fixture
def evil(trained, tmp_path, canary) -> Path:
    """A checkpoint that could be resumed from, and holds an object that acts when unpickled."""
    content = torch.load(trained / 'epoch_1.pth')
    content['meta']['extra'] = Canary(canary)
    torch.save(content, tmp_path / 'evil.pth')
    return tmp_path / 'evil.pth'


def test_a_full_training_checkpoint_of_ours_is_plain(trained):
    content = torch.load(trained / 'epoch_1.pth', weights_only=True)
    assert {'state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers', 'meta'} <= content.keys()


def use(way: str, checkpoint: Path, image_folder: Path, folder: Path, *more: str) -> int:
    """Give a checkpoint to a tool."""
    if way in ('pretrained', 'resume'):
        return train(image_folder, folder / 'work', '--epochs', '1', f'--{way}', str(checkpoint), *more)
    if way == 'test':
        return test(image_folder, checkpoint, *more)
    if way == 'demo':
        Image.new('RGB', (48, 48)).save(folder / 'picture.png')
        arguments = [ATTO, str(checkpoint), str(folder / 'picture.png'), '--out-dir', str(folder / 'out')]
        return run_verb('demo', [*arguments, *more])
    if way == 'init_cfg':
        options = (
            'model.backbone.init_cfg.type=Pretrained',
            f'model.backbone.init_cfg.checkpoint={checkpoint}',
        )
        return train(image_folder, folder / 'work', '--epochs', '1', *more, options=options)
    return run_verb('convert_weights', [str(checkpoint), str(folder / 'converted.pth'), *more])


WAYS = ('pretrained', 'resume', 'test', 'demo', 'convert', 'init_cfg')


@pytest.mark.parametrize('way', WAYS)
def test_objects_are_refused(way, evil, canary, image_folder, tmp_path, capfd):
    assert use(way, evil, image_folder, tmp_path) == 2
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert last.startswith('error: ') and 'could run code' in last and str(evil) in last
    assert not canary.exists()


@pytest.mark.parametrize('way', ['pretrained', 'test', 'demo', 'convert'])
def test_trust_lets_them_in_and_says_what_it_risks(way, evil, canary, image_folder, tmp_path, capfd):
    assert use(way, evil, image_folder, tmp_path, '--trust-pickle') == 0
    assert 'may run whatever code its maker put into it' in capfd.readouterr().err
    assert canary.exists()


def test_trust_does_not_reach_what_the_config_names(evil, canary, image_folder, tmp_path, capfd):
    assert use('init_cfg', evil, image_folder, tmp_path, '--trust-pickle') == 2
    assert '--trust-pickle is for the file of --pretrained or --resume' in capfd.readouterr().err
    good = tmp_path / 'good.pth'
    torch.save(torch.load(evil, weights_only=False)['state_dict'], good)
    canary.unlink()
    assert use('init_cfg', evil, image_folder, tmp_path, '--trust-pickle', '--pretrained', str(good)) == 2
    assert not canary.exists()


@pytest.mark.parametrize('way', WAYS)
def test_code_in_configs_and_logs_is_never_executed(way, trained, canary, image_folder, tmp_path):
    code = f"__import__('pathlib').Path({str(canary)!r}).touch()"
    content = torch.load(trained / 'epoch_1.pth')
    content['meta'] |= {'cfg': code, 'config': code, 'exp_name': code, 'hook_msgs': {'last_ckpt': code}}
    content['message_hub'] = {'log_scalars': code, 'runtime_info': {'cfg': code}, 'resumed_keys': code}
    content['runtime_info'] |= {'cfg': code}
    torch.save(content, tmp_path / 'code.pth')
    assert use(way, tmp_path / 'code.pth', image_folder, tmp_path) == 0
    assert not canary.exists()


@pytest.mark.parametrize('part', ['neck', 'rpn_head', 'roi_head', 'backbone'])
def test_the_parts_of_mmdet_load_as_safely(part, evil, canary, tmp_path):
    cfg = read_config(str(write_config('detection', tmp_path)), data='sample', needs_data=False)
    cfg.model[part].init_cfg = dict(type='Pretrained', checkpoint=str(evil), prefix=f'{part}.')
    model = build_model(cfg)
    with pytest.raises(UserError, match='could run code'):
        model.init_weights()
    assert not canary.exists()
