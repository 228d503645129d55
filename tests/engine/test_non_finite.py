"""The guard against non-finite losses and gradients."""

import csv
from functools import partial
from pathlib import Path

import mmengine.optim.optimizer.amp_optimizer_wrapper as amp
import pytest
import torch
from mmengine.optim import AmpOptimWrapper

from convnext_dense.engine import non_finite, propagate_failures
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.errors import UserError
from tests.helpers import processes, toy
from tests.helpers.run_tool import train


def reference(total: int, left_out: set[int]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Weights and their average after the run, in plain torch, without some of its steps (counted from 1)."""
    model, data = toy.Toy(), toy.Vectors({})
    weights = dict(model.named_parameters())
    average = {name: weight.detach().clone() for name, weight in weights.items()}
    optimizer = torch.optim.AdamW(model.parameters())
    for step in range(1, len(data) // total + 1):
        if step not in left_out:
            batch = data.inputs[(step - 1) * total : step * total]
            optimizer.param_groups[0]['lr'] = toy.LR if step <= toy.HALVED else toy.LR / 2
            model.zero_grad()
            (model.backbone(batch)[:, 0] - 2 * batch.sum(1)).square().mean().backward()
            optimizer.step()
            for name, weight in weights.items():
                average[name] = (1 - toy.MOMENTUM) * average[name] + toy.MOMENTUM * weight.detach()
    return weights, average


def close(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], atol: float = 1e-5) -> bool:
    return all(torch.allclose(found[name], tensor, atol=atol) for name, tensor in expected.items())


@pytest.mark.parametrize('fault', ['loss', 'gradient'])
@pytest.mark.parametrize('total', [2, 4])  # at once, and accumulated
def test_a_skipped_step_leaves_everything_as_it_was_and_counters_go_on(fault, total, tmp_path):
    run = toy.runner(tmp_path, {2: fault, 9: fault}, total=total, skip=2)
    run.train()
    left_out = {2 // total + 1, 9 // total + 1}
    weights, average = reference(total, left_out)
    content = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    assert close(content['state_dict'], weights)
    assert close(content['ema_state_dict'], average)
    assert all(tensor.isfinite().all() for tensor in content['state_dict'].values())
    taken = len(toy.Vectors({})) // total - 2
    assert content['state_dict']['norm.num_batches_tracked'] == taken * total // 2
    assert content['optimizer']['state'][0]['step'] == taken
    assert content['meta']['iter'] == taken + 2
    assert content['runtime_info']['skipped_steps'] == 2  # goes on counting in a resumed run
    assert run.optim_wrapper.get_lr()['lr'] == pytest.approx([toy.LR / 2])
    log = read_scalars(tmp_path)
    assert log['train/skipped_steps'][-1] == (taken + 2, 2)
    assert all(value == value for _, value in log['train/loss'])  # no NaN in what is averaged


@pytest.mark.parametrize(
    ('faults', 'skip', 'said'),
    [
        ({2: 'loss'}, 0, r'the loss is nan at step 1 on 2\.jpg, 3\.jpg: no weights were changed or saved'),
        (
            {6: 'gradient'},
            0,
            r'the gradient is nan at step 2 on 4\.jpg, 5\.jpg, 6\.jpg, 7\.jpg: no weights were changed',
        ),
        (
            {0: 'loss', 5: 'gradient', 8: 'loss'},
            2,
            r'the loss is nan at step 3 on 8\.jpg, 9\.jpg \(2 such steps were skipped before\): .*--skip-nan N',
        ),
    ],
)
def test_the_run_ends_before_the_step_and_names_the_images(faults, skip, said, tmp_path, monkeypatch):
    run = toy.runner(tmp_path, faults, total=4, skip=skip)
    with pytest.raises(UserError, match=said):
        run.train()
    step = max(faults) // 4
    weights, _ = reference(4, {*(index // 4 + 1 for index in faults), *range(step + 1, 5)})
    assert close(run.model.state_dict(), weights)
    assert run.iter == step
    assert all(tensor.isfinite().all() for tensor in run.model.state_dict().values())
    assert not list(tmp_path.glob('*.pth'))


@pytest.mark.parametrize(
    ('fault', 'key', 'pretrained', 'is_said'),
    [
        ({1: 'gradient'}, 'pad_value', None, True),
        ({1: 'gradient'}, 'pad_val', None, True),
        ({1: 'gradient'}, 'pad_value', 'weights.pth', False),
        ({1: 'gradient'}, 'other', None, False),
        ({5: 'gradient'}, 'pad_value', None, False),
        ({1: 'loss'}, 'pad_value', None, False),
    ],
)
def test_a_first_gradient_of_random_weights_and_pads_of_zero_says_what_to_do(
    fault, key, pretrained, is_said, tmp_path
):
    run = toy.runner(tmp_path, fault, total=4)
    setattr(run.bare_model.data_preprocessor, key, 0)
    run.cfg.pretrained = pretrained  # which is not loaded again
    advice = f'--pretrained WEIGHTS, or pad with --cfg-options model.data_preprocessor.{key}=1'
    with pytest.raises(UserError) as caught:
        run.train()
    assert (advice in str(caught.value)) == is_said


def test_many_images_are_listed_in_a_file(tmp_path):
    run = toy.runner(tmp_path, {12: 'gradient'}, batch=8, total=16)
    with pytest.raises(UserError, match=r'on 0\.jpg, .*, 7\.jpg and 8 more \(listed in not_finite\.csv of the log'):
        run.train()
    with open(Path(run.log_dir, 'not_finite.csv'), newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['path'] for row in rows] == [f'{i}.jpg' for i in range(16)]
    assert {(row['step'], row['what'], row['process']) for row in rows} == {('1', 'gradient', '0')}


@pytest.fixture
def _fp16(monkeypatch):
    """mmengine's wrapper, with torch's scaler for CPUs."""
    monkeypatch.setattr(amp, 'is_cuda_available', lambda: True)
    monkeypatch.setattr(amp, 'GradScaler', partial(torch.amp.GradScaler, 'cpu'))


def scaled(run) -> AmpOptimWrapper:
    wrapper = AmpOptimWrapper(optimizer=torch.optim.AdamW(run.model.parameters(), lr=toy.LR))
    run.optim_wrapper = wrapper
    return wrapper


@pytest.mark.usefixtures('_fp16')
def test_the_skips_of_the_fp16_scaler_are_no_fault(tmp_path):
    run = toy.runner(tmp_path, {4: 'gradient', 9: 'gradient'})
    wrapper = scaled(run)
    run.train()
    assert close(run.model.state_dict(), reference(2, {3, 5})[0], atol=1e-3)  # CPUs' autocast is bfloat16
    assert wrapper.loss_scaler.get_scale() == 65536 / 4
    assert 'skipped_steps' not in run.message_hub.runtime_info


@pytest.mark.usefixtures('_fp16')
def test_a_scaler_that_finds_no_scale_and_a_nan_in_the_loss_are_faults(tmp_path, monkeypatch):
    monkeypatch.setattr(non_finite, 'MAX_SCALER_SKIPS', 3)
    run = toy.runner(tmp_path / 'a', {0: 'gradient', **dict.fromkeys(range(4, 16), 'gradient')})
    scaled(run)
    with pytest.raises(UserError, match='the gradient is nan at step 6 '):
        run.train()
    run = toy.runner(tmp_path / 'b', {4: 'loss'})
    scaled(run)
    with pytest.raises(UserError, match='the loss is nan at step 3 '):
        run.train()


def test_two_processes_decide_alike(tmp_path):
    """One of them sees a NaN: both skip the step; the second NaN ends both."""

    def run(rank: int) -> int:
        torch.set_num_threads(1)
        try:
            with propagate_failures():
                for name, skip in (('skip', 2), ('stop', 1)):
                    faults = {5: 'loss', 8: 'gradient'}
                    one = toy.runner(tmp_path / name, faults, total=4, skip=skip, launcher='pytorch')
                    one.train()
                    torch.save(one.model.module.state_dict(), tmp_path / f'{rank}.pt')
        except UserError as error:
            print(error)
            return 2
        return 0

    ended = processes.run(run, tmp_path)
    assert [one.code for one in ended] == [2, 2], ended
    one, two = (torch.load(tmp_path / f'{rank}.pt') for rank in range(2))
    for found in (one, two):
        assert close(found, reference(4, {2, 3})[0])
        assert found['norm.num_batches_tracked'] == 2
    assert 'the loss is nan at step 2 on 5.jpg, 7.jpg: the step is skipped, 1 of 2' in ended[0].out
    said = [one.out.strip().splitlines()[-1] for one in ended]
    fault = 'the gradient is nan at step 3 on 8.jpg, 10.jpg, 9.jpg, 11.jpg (1 such step was skipped before)'
    assert sum(line.startswith(fault) for line in said) == 1
    assert sum('ends because process' in line and fault in line for line in said) == 1


def test_skip_nan_from_the_command_line(image_folder, tmp_path, monkeypatch, capsys):
    from convnext_dense.models.classifier import ImageClassifier

    steps = []

    def loss(self, *args, original=ImageClassifier._loss):
        steps.append(1)
        return original(self, *args) * (float('nan') if len(steps) in (1, 4) else 1)

    monkeypatch.setattr(ImageClassifier, '_loss', loss)
    assert train(image_folder, tmp_path, '--epochs', '1', '--skip-nan', '1') == 2
    done = capsys.readouterr()
    assert 'the step is skipped, 1 of 1' in done.out
    assert done.err.startswith('error: the loss is nan at step 4 on ')
    assert done.err.count('\n') == 1
    assert [step for step, _ in read_scalars(tmp_path)['train/loss']] == [2, 3]
    assert not list(tmp_path.glob('*.pth'))
