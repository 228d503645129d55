"""``--probe`` in runs: training is the same with it to the bit, however the run is cut and shared by processes."""

import os
import signal
from pathlib import Path

import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.data.classification.probed import find_probed
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.engine.labeled_features import LabeledFeatures, Loading
from convnext_dense.registry import MODELS
from tests.e2e.test_pretraining import ARCH, CONFIG, OPTIONS
from tests.helpers import processes
from tests.helpers.probed_images import Unlabeled, write_classes
from tests.helpers.run_tool import ATTO
from tests.helpers.small_run import differences, outcome

NAMES = ('linear_top1', 'knn10_top1', 'knn20_top1')


@pytest.fixture(scope='module')
def labeled(tmp_path_factory) -> Path:
    return write_classes(tmp_path_factory.mktemp('labeled'), spread=25, size=70)


@pytest.fixture(scope='module')
def unlabeled(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('unlabeled')
    for split, count in (('train', 8), ('val', 2)):
        write_classes(root / split, count=count, size=70)
    return root


@pytest.fixture(scope='module')
def config(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp('config') / 'fcmae.py'
    file.write_text(CONFIG + 'default_hooks = dict(ema=dict(type="convnext_dense.EMA", momentum=0.3))\n')
    return file


def train(config: Path, data: Path, work_dir: Path, *arguments: str, options: tuple[str, ...] = ()) -> int:
    argv = [str(config), '--data', str(data), '--work-dir', str(work_dir), *arguments]
    return run_verb('train', [*argv, '--cfg-options', *OPTIONS, *options])


@pytest.fixture(scope='module')
def probed(config, unlabeled, labeled, tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('runs') / 'probed'
    assert train(config, unlabeled, work_dir, '--probe', str(labeled)) == 0
    return work_dir


def without_probe(found: dict) -> dict:
    """The outcome of a run without what the probe measured, and without the config, which names it."""
    for name in [name for name in found['log'] if name.rsplit('/', 1)[-1] in NAMES]:
        del found['log'][name]
    for checkpoint in found.values():
        for name in [name for name in checkpoint.get('log_scalars', {}) if name.rsplit('/', 1)[-1] in NAMES]:
            del checkpoint['log_scalars'][name]
    return found


def test_training_is_the_same_to_the_bit(probed, config, unlabeled, tmp_path):
    assert train(config, unlabeled, tmp_path / 'plain') == 0
    assert differences(without_probe(outcome(probed)), without_probe(outcome(tmp_path / 'plain'))) == []


def expected_of(checkpoint: Path, labeled: Path) -> dict[str, float]:
    """What a checkpoint's weights are worth, with names as they are logged."""
    content = torch.load(checkpoint, weights_only=True)
    arch = dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 16])
    assert str(arch['dims']) in ARCH
    backbone = dict(type='convnext_dense.ConvNeXt', arch=arch, version=2)
    model = MODELS.build(dict(type='convnext_dense.FCMAE', backbone=backbone, decoder_dim=8))
    features = LabeledFeatures(find_probed(labeled), Unlabeled(side=64), Loading(64, 0))
    found = {}
    for kind, key in (('raw', 'state_dict'), ('ema', 'ema_state_dict')):
        model.load_state_dict(content[key])
        found |= {f'val/{kind}/{name}': value for name, value in features.measure(model).items()}
    return found


def test_each_validation_measures_the_weights_as_they_are_then(probed, labeled):
    scalars = read_scalars(probed)
    last = {}
    for name in (f'val/{kind}/{name}' for kind in ('raw', 'ema') for name in NAMES):
        assert [step for step, _ in scalars[name]] == [1, 2, 3]
        last[name] = scalars[name][-1][1]
    assert last == expected_of(probed / 'epoch_3.pth', labeled)
    assert len(set(last.values())) > 2


def test_what_is_measured_is_said_before_the_training(probed):
    log = next(probed.glob('*/*.log')).read_text()
    said = 'probe: 48 labeled images to compare with and 12 to measure on, 3 classes'
    assert log.index(said) < log.index('Epoch(train)')
    assert log.count('in which the images were read') == 1


def test_a_run_that_was_cut_keeps_its_probe_and_ends_as_one_that_was_not(
    probed, config, unlabeled, labeled, tmp_path, monkeypatch
):
    from convnext_dense.engine.train_loop import TrainLoop

    steps = TrainLoop.run_iter

    def stop(self, *args):
        result = steps(self, *args)
        if self.runner.iter == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    monkeypatch.setattr(TrainLoop, 'run_iter', stop)
    assert train(config, unlabeled, tmp_path / 'cut', '--probe', str(labeled)) == 143
    monkeypatch.undo()
    assert train(config, unlabeled, tmp_path / 'cut', '--resume') == 0
    assert differences(outcome(probed), outcome(tmp_path / 'cut')) == []
    log = max((tmp_path / 'cut').glob('*/*.log')).read_text()
    assert f'--probe {labeled} is kept, which the run had; default_hooks.probe=None goes on without' in log


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_two_processes_share_the_images_and_measure_the_same(config, unlabeled, labeled, tmp_path):
    def run_rank(rank: int) -> int:
        own = ('train_dataloader.batch_size=4',)
        arguments = ('--epochs', '1', '--launcher', 'pytorch', '--probe', str(labeled))
        return train(config, unlabeled, tmp_path / 'two', *arguments, options=own)

    ended = processes.run(run_rank, tmp_path)
    assert [one.code for one in ended] == [0, 0], ended[0].err
    scalars = read_scalars(tmp_path / 'two')
    for name, value in expected_of(tmp_path / 'two' / 'epoch_1.pth', labeled).items():
        assert scalars[name] == [(1, pytest.approx(value, abs=9))]  # batches are others, which may turn one image
    assert 'probe: 48 labeled images' in ended[0].err + ended[0].out


@pytest.mark.parametrize(
    ('path', 'message'),
    [
        ('nowhere', 'does not exist: name a folder with a folder of images for each class, or sample'),
        ('file.txt', 'is no folder: name a folder with a folder of images for each class, or sample'),
        ('empty', ': no labeled images there, which are a folder of images for each class, or train/ and val/ with'),
    ],
)
def test_a_wrong_path_ends_before_anything_is_written(path, message, config, unlabeled, tmp_path, error):
    (tmp_path / 'file.txt').write_text('no folder')
    (tmp_path / 'empty').mkdir()
    assert train(config, unlabeled, tmp_path / 'run', '--probe', str(tmp_path / path)) == 2
    assert message in error() and not (tmp_path / 'run').exists()


def test_other_tasks_have_no_probe(image_folder, labeled, tmp_path, error):
    argv = [ATTO, '--data', str(image_folder), '--work-dir', str(tmp_path / 'run'), '--probe', str(labeled)]
    assert run_verb('train', argv) == 2
    assert error() == (
        f'error: --probe {labeled} measures the features of a pre-training run, and the config is for classification, '
        'which has metrics of its own: leave it out'
    )


def test_a_run_without_validation_has_none(config, labeled, unlabeled, tmp_path, error):
    few = unlabeled / 'val'
    assert train(config, few, tmp_path / 'run', '--probe', str(labeled)) == 2
    assert 'measures in each validation, and there are no images to validate on beside' in error()
