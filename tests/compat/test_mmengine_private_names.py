"""The private names of mmengine that this package uses: each must be there, and mean what it is used for."""

import mmengine.runner
import pytest
import torch
from mmengine.model import ImgDataPreprocessor
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.visualization import BaseVisBackend

from convnext_dense.compat import mmengine_private_names as internals
from convnext_dense.engine.csv_log import CSVBackend
from tests.helpers import toy


@pytest.fixture
def run(tmp_path):
    return toy.runner(tmp_path, {}, total=4)


def test_the_runner(run):
    assert isinstance(internals.loop_or_config(run, 'train'), dict)
    assert internals.loop_or_config(run, 'test') is None
    assert internals.has_loaded(run) is False
    assert internals.resume_setting(run) is False
    assert internals.checkpoint_setting(run) is None
    assert internals.seeds_differ_between_processes(run) is False
    loop = run.train_loop
    assert internals.loop_or_config(run, 'train') is loop


def test_what_is_set_is_what_mmengine_reads(run, monkeypatch):
    resumed = []
    monkeypatch.setattr(mmengine.runner.Runner, 'resume', lambda self, path, *args: resumed.append(path))
    monkeypatch.setattr(type(run), 'resume', mmengine.runner.Runner.resume)
    internals.set_checkpoint_to_resume(run, 'epoch_1.pth')
    mmengine.runner.Runner.load_or_resume(run)
    assert resumed == ['epoch_1.pth']
    assert internals.has_loaded(run)
    mmengine.runner.Runner.load_or_resume(run)
    assert resumed == ['epoch_1.pth']  # set_loaded keeps it from loading again
    loop = run.train_loop
    internals.set_progress(loop, 3, 14)
    internals.set_max_iters(loop, 99)
    assert (loop.epoch, loop.iter, loop.max_iters, run.epoch, run.iter) == (3, 14, 99, 3, 14)


def test_any_number_of_channels_is_normalized():
    preprocessor = ImgDataPreprocessor()
    internals.set_normalization(preprocessor, [1.0, 2.0], [3.0, 4.0])
    out = preprocessor({'inputs': [torch.ones(2, 4, 4) * 7]})['inputs']
    assert out[0, :, 0, 0].tolist() == [2.0, 1.25]
    assert internals.normalizes(preprocessor)


def test_set_loaded(run, monkeypatch):
    monkeypatch.setattr(type(run), 'load_checkpoint', lambda *args: pytest.fail('loaded'))
    internals.set_checkpoint_to_resume(run, None)
    internals.set_loaded(run)
    mmengine.runner.Runner.load_or_resume(run)
    assert internals.resume_setting(run) is False


def test_accumulation_divides_the_loss_and_synchronizes_in_the_last_batch(run):
    wrapper = run.build_optim_wrapper(run.optim_wrapper)
    internals.set_accumulation(wrapper, run.model, batches=4, done=8, total=40)
    loss = run.model.backbone.weight.sum()
    assert float(wrapper.scale_loss(loss)) == pytest.approx(float(loss) / 4)
    synchronized = []
    for _ in range(8):
        synchronized.append(wrapper.should_sync())
        wrapper.backward(run.model.backbone.weight.sum())
    assert synchronized == [False, False, False, True] * 2


def test_overridden_methods_are_there_and_called(tmp_path, run):
    for owner, names in (
        (mmengine.runner.Runner, internals.OVERRIDDEN_BY_RUNNER),
        (BaseVisBackend, internals.OVERRIDDEN_BY_BACKEND),
    ):
        assert all(callable(getattr(owner, name)) for name in names)
    assert list(tmp_path.glob('*/environment.txt'))
    backend = CSVBackend(str(tmp_path / 'log'))
    assert not internals.environment_is_initialized(backend)
    backend.add_scalar('a', 1.0, 1)
    assert internals.environment_is_initialized(backend)


def test_schedulers_have_the_parts_that_move(run):
    wrapper = run.build_optim_wrapper(run.optim_wrapper)
    plateau = PARAM_SCHEDULERS.build(dict(type='ReduceOnPlateauLR', monitor='score', optimizer=wrapper))
    assert set(internals.SCHEDULER_PROGRESS) <= plateau.state_dict().keys()


@pytest.mark.parametrize('bgr', [True, False])
@pytest.mark.parametrize('mean', [None, [10.0, 20.0, 30.0]])
def test_what_a_preprocessor_does(bgr, mean):
    preprocessor = ImgDataPreprocessor(mean, mean and [2.0, 2.0, 2.0], bgr_to_rgb=bgr)
    assert internals.swaps_channels(preprocessor) == bgr
    assert internals.normalizes(preprocessor) == (mean is not None)
