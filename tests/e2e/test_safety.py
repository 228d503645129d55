"""A checkpoint can't run code, whichever way it comes in."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from convnext_dense.cli import run_verb
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.errors import UserError
from tests.helpers.run_tool import SMALL
from tests.helpers.small_models import write_config


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Path:
    return write_config('classification', tmp_path_factory.mktemp('config'))


def train(config: Path, data: Path, work_dir: Path, *arguments: str, options: tuple[str, ...] = ()) -> int:
    places = ('--data', str(data), '--work-dir', str(work_dir), '--epochs', '1')
    return run_verb('train', [str(config), *places, *arguments, '--cfg-options', *SMALL, *options])


@pytest.fixture(scope='module')
def trained(config, image_folder, tmp_path_factory) -> Path:
    """A work dir with a run of one epoch."""
    work_dir = tmp_path_factory.mktemp('trained')
    assert train(config, image_folder, work_dir) == 0
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


@pytest.fixture
def use(config, image_folder, tmp_path) -> Callable[..., int]:
    """Gives a checkpoint to a tool, and returns the exit code."""

    def run(way: str, checkpoint: Path, *more: str) -> int:
        if way in ('pretrained', 'resume'):
            return train(config, image_folder, tmp_path / 'work', f'--{way}', str(checkpoint), *more)
        if way == 'test':
            arguments = [str(config), str(checkpoint), '--data', str(image_folder), *more]
            return run_verb('test', [*arguments, '--cfg-options', *SMALL])
        if way == 'demo':
            Image.new('RGB', (48, 48)).save(tmp_path / 'image.png')
            arguments = [
                str(config),
                str(checkpoint),
                str(tmp_path / 'image.png'),
                '--out-dir',
                str(tmp_path / 'out'),
            ]
            return run_verb('demo', [*arguments, *more])
        if way == 'export':
            arguments = [str(config), str(checkpoint), str(tmp_path / 'exported.pt2'), '--shape', '32', '32']
            return run_verb('export_onnx', [*arguments, *more])
        if way == 'init_cfg':
            options = {'type': 'Pretrained', 'checkpoint': checkpoint}
            options = tuple(f'model.backbone.init_cfg.{key}={value}' for key, value in options.items())
            return train(config, image_folder, tmp_path / 'work', *more, options=options)
        return run_verb('convert_weights', [str(checkpoint), str(tmp_path / 'converted.pth'), *more])

    return run


WAYS = ('pretrained', 'resume', 'test', 'demo', 'export', 'convert', 'init_cfg')


@pytest.mark.parametrize('way', WAYS)
def test_objects_are_refused(way, use, evil, canary, capfd):
    assert use(way, evil) == 2
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert last.startswith('error: ') and 'could run code' in last and str(evil) in last
    assert not canary.exists()


@pytest.mark.parametrize('way', ['pretrained', 'test', 'demo', 'export', 'convert'])
def test_trust_lets_them_in_and_says_what_it_risks(way, use, evil, canary, capfd):
    assert use(way, evil, '--trust-pickle') == 0
    assert 'may run any code that it contains' in capfd.readouterr().err
    assert canary.exists()


def test_trust_is_not_kept_in_the_run(use, evil, canary, tmp_path):
    assert use('pretrained', evil, '--trust-pickle') == 0
    content = torch.load(tmp_path / 'work' / 'epoch_1.pth', weights_only=True)
    texts = [path.read_text() for path in (tmp_path / 'work').rglob('*') if path.suffix in ('.py', '.log', '.json')]
    assert 'pretrained' in content['meta']['cfg'] and len(texts) > 1
    assert not [text for text in [*texts, content['meta']['cfg']] if 'trust_pickle' in text]


def test_trust_does_not_reach_what_the_config_names(use, evil, canary, tmp_path, capfd):
    assert use('init_cfg', evil, '--trust-pickle') == 2
    assert '--trust-pickle is for the file of --pretrained or --resume' in capfd.readouterr().err
    good = tmp_path / 'good.pth'
    torch.save(torch.load(evil, weights_only=False)['state_dict'], good)
    canary.unlink()
    assert use('init_cfg', evil, '--trust-pickle', '--pretrained', str(good)) == 2
    assert not canary.exists()


@pytest.mark.parametrize('way', WAYS)
def test_code_in_configs_and_logs_is_never_executed(way, use, trained, canary, tmp_path):
    code = f"__import__('pathlib').Path({str(canary)!r}).touch()"
    content = torch.load(trained / 'epoch_1.pth')
    content['meta'] |= {'cfg': code, 'config': code, 'exp_name': code, 'hook_msgs': {'last_ckpt': code}}
    content['message_hub'] = {'log_scalars': code, 'runtime_info': {'cfg': code}, 'resumed_keys': code}
    content['runtime_info'] |= {'cfg': code}
    torch.save(content, tmp_path / 'code.pth')
    assert use(way, tmp_path / 'code.pth') == 0
    assert not canary.exists()


@pytest.mark.parametrize('part', ['neck', 'rpn_head', 'roi_head', 'backbone'])
def test_the_parts_of_mmdet_load_as_safely(part, evil, canary, tmp_path):
    cfg = read_config(str(write_config('detection', tmp_path)), data='sample', needs_data=False)
    cfg.model[part].init_cfg = dict(type='Pretrained', checkpoint=str(evil), prefix=f'{part}.')
    model = build_model(cfg)
    with pytest.raises(UserError, match='could run code'):
        model.init_weights()
    assert not canary.exists()
