"""Training adapters: cut and resumed, tested, exported, and weights for another run."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.config.read import read_config
from convnext_dense.engine import EMA
from convnext_dense.engine.building import build_model, build_trained_model
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.engine.dry_run import check_first_step
from convnext_dense.inference import load
from convnext_dense.inference.predictor import Predictor
from convnext_dense.models.lora import load_plain
from convnext_dense.tasks import set_classes, task_of
from tests.conftest import write_image_folder
from tests.helpers import small_models
from tests.helpers.small_classifier import classifier, official, save
from tests.helpers.small_run import BY_EPOCH, differences, outcome, train, write_config

FLAGS = ('--lora', '2')
OPTIONS = ('lora.alpha=3', 'lora.dropout=0.2', 'param_scheduler.0.end=1', 'optim_wrapper.optimizer.lr=0.05')


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    return write_image_folder(tmp_path_factory.mktemp('data') / 'images', train=8, val=2)


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Path:
    return write_config(tmp_path_factory.mktemp('config') / 'by_epoch.py', BY_EPOCH)


@pytest.fixture(scope='module')
def base(tmp_path_factory) -> Path:
    torch.manual_seed(1)
    return save(official(classifier(7)), tmp_path_factory.mktemp('base') / 'base.pth')


@pytest.fixture(scope='module')
def run(config, data, base, tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('runs') / 'run'
    assert train(config, data, work_dir, *FLAGS, '--pretrained', str(base), options=OPTIONS) == 0
    return work_dir


def state_of(file: Path, key: str = 'state_dict') -> dict:
    return torch.load(file, weights_only=True)[key]


def merged(file: Path, key: str = 'state_dict') -> dict:
    """The weights of an ordinary model, computed here."""
    state = state_of(file, key)
    plain = {name.replace('.base_layer', ''): tensor for name, tensor in state.items() if '.lora_' not in name}
    for name, a in state.items():
        if '.lora_A.' in name:
            layer = name.split('.lora_A.')[0]
            plain[f'{layer}.weight'] = plain[f'{layer}.weight'] + 1.5 * state[f'{layer}.lora_B.default.weight'] @ a
    return plain


def adapted_model(config: Path, file: Path) -> torch.nn.Module:
    """The model that the run trained, adapters apart."""
    cfg = read_config(str(config), {'lora.rank': 2, 'lora.alpha': 3}, needs_data=False)
    cfg.model.num_classes = 3
    model = build_trained_model(cfg).eval()
    model.load_state_dict(state_of(file))
    return model


def assert_same(state: dict, wanted: dict, **tolerances: float) -> None:
    assert state.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(state[name], tensor, msg=name, **tolerances)


def test_the_backbone_keeps_its_weights_and_all_else_moves(run, base):
    before = torch.load(base, weights_only=True)['model']
    after = state_of(run / 'epoch_3.pth')
    for name, tensor in after.items():
        own = name.removeprefix('backbone.').replace('.base_layer', '')
        kept = name.startswith('backbone.') and not name.startswith('backbone.norm') and '.lora_' not in name
        assert not kept or torch.equal(tensor, before[own]), name
        assert '.lora_B.' not in name or tensor.abs().sum() > 0
    assert not torch.equal(after['backbone.norm.weight'], before['norm.weight'])
    kinds = [state_of(run / 'epoch_3.pth', key) for key in ('state_dict', 'ema_state_dict')]
    adapter = 'backbone.stages.2.0.pwconv1.lora_B.default.weight'
    assert not torch.equal(kinds[0][adapter], kinds[1][adapter])


def test_a_cut_run_goes_on_to_the_last_bit(run, config, data, base, tmp_path, monkeypatch, capsys):
    def after_train_iter(self, runner, *args, original=EMA.after_train_iter, **kwargs):
        original(self, runner, *args, **kwargs)
        if runner.iter + 1 == 4:
            monkeypatch.undo()
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(EMA, 'after_train_iter', after_train_iter)
    work_dir = tmp_path / 'cut'
    assert train(config, data, work_dir, *FLAGS, '--pretrained', str(base), options=OPTIONS) == 143
    again = capsys.readouterr().err.split('continue with: ')[1]
    assert '--lora 2' in again and '--pretrained' not in again
    assert train(config, data, work_dir, *FLAGS, '--resume', options=OPTIONS) == 0
    assert not differences(outcome(run), outcome(work_dir))


@pytest.mark.parametrize(
    ('flags', 'options', 'said'),
    [
        ((), OPTIONS[2:], 'had LoRA of rank 2, alpha 3, dropout 0.2 and now has no LoRA: resume with --lora 2'),
        (('--lora', '3'), OPTIONS, 'and now has LoRA of rank 3, alpha 3, dropout 0.2: resume with --lora 2'),
        (FLAGS, OPTIONS[1:], 'resume with --lora 2 --cfg-options lora.alpha=3 lora.dropout=0.2'),
        (('--lora', '2'), ('lora.rank=2',), '--lora 2 and --cfg-options lora.rank=... both set the rank'),
    ],
)
def test_other_adapters_are_refused_in_a_resume(run, config, data, flags, options, said, capsys):
    assert train(config, data, run, '--resume', *flags, options=options) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1 and said in errors[0]


def test_a_run_without_adapters_gets_none_in_a_resume(config, data, base, tmp_path, capsys):
    assert train(config, data, tmp_path / 'w', '--pretrained', str(base), '--epochs', '1') == 0
    assert train(config, data, tmp_path / 'w', '--resume', '--epochs', '2', *FLAGS) == 2
    assert 'had no LoRA and now has LoRA of rank 2, alpha 2: resume without --lora' in capsys.readouterr().err


def test_the_config_that_a_run_saved_resumes_it(run, capsys):
    """It has the adapters' settings; no flag is needed."""
    assert run_verb('train', [str(run / 'by_epoch.py'), '--work-dir', str(run), '--resume']) == 0
    assert 'the run was finished' in capsys.readouterr().out


def test_a_run_is_tested_as_it_was_validated_without_peft(run, data, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'peft', None)
    assert run_verb('test', [str(run), '--data', str(data), '--out', str(tmp_path / 'm.json')]) == 0
    metrics = json.loads((tmp_path / 'm.json').read_text())['metrics']
    logged = read_scalars(run)
    for name in ('raw/top1', 'ema/top1'):
        assert metrics[name] == logged[f'val/{name}'][-1][1]
    image = next(data.rglob('*.jpg'))
    for weights, key in (('raw', 'state_dict'), ('ema', 'ema_state_dict')):
        predict = load(run / 'epoch_3.pth', weights=weights, device='cpu')
        assert_same(predict.model.state_dict(), merged(run / 'epoch_3.pth', key), rtol=1e-6, atol=1e-6)
        assert len(predict(image).as_json()) > 0


def test_merged_logits_are_those_of_the_adapted_model(run, config, data):
    adapted, plain = adapted_model(config, run / 'epoch_3.pth'), load(run / 'epoch_3.pth', device='cpu').model
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(plain(x), adapted(x), rtol=1e-5, atol=1e-5)
    cfg = read_config(str(config), needs_data=False)
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(run / 'epoch_3.pth'), prefix='backbone.')
    model = build_model(cfg)  # mmengine reads the file
    model.init_weights()
    backbone = {name: tensor for name, tensor in merged(run / 'epoch_3.pth').items() if name.startswith('backbone.')}
    assert_same({name: model.state_dict()[name] for name in backbone}, backbone, rtol=1e-6, atol=1e-6)


def test_onnx_equals_the_adapted_model(run, config, tmp_path):
    target = tmp_path / 'm.onnx'
    assert run_verb('export_onnx', [str(run), str(target), '--check']) == 0
    names = {initializer.name for initializer in onnx.load(target).graph.initializer}
    assert not [name for name in names if 'lora' in name]
    adapted = adapted_model(config, run / 'epoch_3.pth')
    predict = load(run / 'epoch_3.pth', device='cpu')
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    inputs, _ = predict.predict_whole([image])
    mean, std = (values.view(1, 3, 1, 1) for values in (predict.normalization.mean, predict.normalization.std))
    logits = onnxruntime.InferenceSession(target).run(None, {'image': inputs.numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(logits), adapted((inputs - mean) / std), rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize('task', ['detection', 'segmentation'])
def test_boxes_masks_and_label_maps_are_those_of_the_adapted_model(task, tmp_path):
    config = small_models.write_config(task, tmp_path)
    plain = small_models.write_checkpoint(config, tmp_path / 'plain.pth', classes=small_models.CLASSES)
    cfg = read_config(str(config), {'lora.rank': 2, 'lora.alpha': 3}, data='sample', needs_data=False)
    set_classes(cfg, 3)
    adapted = build_trained_model(cfg).eval()
    load_plain(adapted, state_of(plain))
    for name, parameter in adapted.named_parameters():
        if '.lora_B.' in name:
            torch.nn.init.normal_(parameter, std=0.1)
    check_first_step(adapted, cfg, task_of(cfg))
    meta = {'convnext_dense': '0', 'lora': dict(rank=2, alpha=3.0), 'dataset_meta': {'classes': small_models.CLASSES}}
    run = save({'state_dict': adapted.state_dict(), 'meta': meta}, tmp_path / 'run.pth')
    predicted, before = (load(config, file, data='sample', device='cpu') for file in (run, plain))
    wanted = Predictor(adapted.eval(), read_config(str(config), data='sample', needs_data=False), predicted.classes)
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    results = [one(image) for one in (predicted, wanted, before)]
    if task == 'segmentation':
        assert (results[0].labels == results[1].labels).mean() > 0.999
        assert (results[0].labels == results[2].labels).mean() < 0.99
        return
    scores, boxes, masks = zip(*((one.scores, one.boxes, one.masks) for one in results), strict=True)
    assert len(scores[0]) == len(scores[1]) > 0
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(boxes[0], boxes[1], rtol=1e-4, atol=1e-2)
    assert np.mean(np.asarray(masks[0]) == np.asarray(masks[1])) > 0.999
    assert len(scores[0]) != len(scores[2]) or not np.allclose(scores[0], scores[2], rtol=1e-3)


def test_another_run_starts_from_it_as_from_any_weights(run, config, data, tmp_path, capsys):
    for flags in ((), FLAGS):  # all of it, or with new adapters
        work_dir = tmp_path / f'next{len(flags)}'
        argv = ('--pretrained', str(run), '--pretrained-weights', 'ema', '--epochs', '1', *flags)
        assert train(config, data, work_dir, *argv, options=('optim_wrapper.optimizer.lr=0',)) == 0
        assert 'with its adapters (LoRA of rank 2, alpha 3, dropout 0.2) merged' in capsys.readouterr().out
        own = {n.replace('.base_layer', ''): t for n, t in state_of(work_dir / 'epoch_1.pth').items()}
        own = {n: t for n, t in own.items() if '.lora_' not in n}
        assert_same(own, merged(run / 'epoch_3.pth', 'ema_state_dict'), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('weights', ['raw', 'ema'])
def test_adapters_alone_on_their_base_give_the_merged_weights(run, base, weights, tmp_path, capsys):
    def convert(*arguments: object) -> int:
        return run_verb('convert_weights', [str(argument) for argument in arguments])

    adapter, one, other = tmp_path / 'adapter', tmp_path / 'one.pth', tmp_path / 'other.pth'
    content = torch.load(run / 'epoch_3.pth', weights_only=True)
    content['meta']['pretrained'] = {'source': 'where it came from'}
    assert convert(save(content, tmp_path / 'run.pth'), adapter, '--to', 'peft', '--weights', weights) == 0
    assert json.loads((adapter / 'adapter_config.json').read_text())['base_model_name_or_path'] == 'where it came from'
    out = capsys.readouterr().out
    assert 'LoRA of rank 2, alpha 3, dropout 0.2, as PEFT reads it' in out and 'beside it  final norm, head' in out
    assert convert(base, one, '--lora', adapter) == 0
    assert convert(run, other, '--weights', weights) == 0
    said = capsys.readouterr().out
    assert f'with the LoRA adapter {adapter} merged' in said and 'with its adapters' in said
    key = 'state_dict' if weights == 'raw' else 'ema_state_dict'
    for file in (one, other):
        assert_same(state_of(file), merged(run / 'epoch_3.pth', key), rtol=1e-6, atol=1e-6)
        assert torch.load(file, weights_only=True)['meta']['dataset_meta']['classes'] == ['blue', 'green', 'red']

    for arguments, error in (
        ((base, tmp_path / 'x', '--to', 'peft'), 'has no LoRA adapters: --to peft takes a checkpoint of a run'),
        ((run, adapter, '--to', 'peft'), 'exists: name a new folder'),
        ((run, tmp_path / 'x', '--to', 'peft', '--lora', adapter), 'leave out --lora'),
        ((run, tmp_path / 'x', '--to', 'peft', '--force'), '--force is for files'),
        ((base, tmp_path / 'x.pth', '--lora', tmp_path / 'absent'), 'no LoRA adapter at'),
        ((other, tmp_path / 'x.pth', '--lora', adapter), 'is a LoRA adapter for other weights'),
        (
            (adapter / 'adapter_model.safetensors', tmp_path / 'x.pth'),
            'without the weights that they adapt: merge them',
        ),
    ):
        assert convert(*arguments) == 2
        assert error in capsys.readouterr().err


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        (FLAGS, 'LoRA adapts weights that are kept as they are: name them with --pretrained'),
        (('--resume', 'auto', *FLAGS), 'LoRA adapts weights that are kept as they are'),
        ((*FLAGS, '--pretrained', 'none'), '--lora 2 adapts weights that are kept as they are'),
        (
            ('--lora', '5', '--pretrained', '{base}'),
            'backbone.stages.0.0.pwconv1 has 4 channels: take a rank of at most 4',
        ),
        (('--lora', '0', '--pretrained', '{base}'), '--lora 0: take a rank of at least 1'),
        (('--lora', '-2', '--pretrained', '{base}'), '--lora -2: take a rank of at least 1'),
        (('--lora', 'x', '--pretrained', '{base}'), "--lora: invalid int value: 'x'"),
    ],
)
def test_what_cannot_be_adapted_is_refused_in_one_line(config, data, base, flags, said, tmp_path, capsys):
    arguments = [flag.format(base=base) for flag in flags]
    assert train(config, data, tmp_path / 'w', *arguments) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1 and said in errors[0]
