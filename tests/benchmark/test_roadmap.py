"""The throughput of the roadmap's networks: timed in turns, each network once."""

from functools import partial

import pytest
import torch

from convnext_dense.benchmark import roadmap, timing
from convnext_dense.benchmark.roadmap import throughput
from convnext_dense.roadmap.steps import TRACKS


@pytest.fixture
def few_steps(monkeypatch):
    """Some steps, the first two of one network."""
    names = ('baseline', 'modern_recipe', 'depthwise_conv', 'kernel_9', 'separate_downsampling')
    track = tuple(step for step in TRACKS['resnet50'] if step.name in names)
    monkeypatch.setattr(roadmap, 'TRACKS', {'resnet50': track})
    return names


class Toy(torch.nn.Module):
    """Keeps who ran, on what."""

    def __init__(self, ran, step):
        super().__init__()
        self.ran, self.step = ran, step

    def forward(self, images):
        self.ran.append((self.step, tuple(images.shape)))
        return images


def test_networks_are_timed_in_turns(few_steps, monkeypatch):
    ran, now = [], iter(range(1000))
    monkeypatch.setattr(roadmap, 'step_classifier', lambda track, step: Toy(ran, step))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(roadmap, 'measure', partial(timing.measure, clock=lambda: next(now)))
    monkeypatch.setattr(timing.gc, 'collect', lambda: 0)
    found = throughput('resnet50', batch=4)
    assert found['images_per_second'].keys() == set(few_steps)
    assert set(found['images_per_second']['baseline']) == {4.0}  # of a second
    assert found['rounds'] == len(found['images_per_second']['baseline']) >= 7
    assert (found['batch'], found['resolution']) == (4, 224)
    assert found['environment']['threads'] == torch.get_num_threads()
    assert {shape for _, shape in ran} == {(4, 3, 224, 224)}
    turns = [step for step, _ in ran[4:]]  # after one each to warm up
    assert len(turns) == 4 * found['rounds']
    networks = {'modern_recipe', 'depthwise_conv', 'kernel_9', 'separate_downsampling'}  # the baseline's is the same
    assert all(set(turns[i : i + 4]) == networks for i in range(0, len(turns), 4))


@pytest.mark.usefixtures('few_steps')
def test_a_network_that_does_not_run_is_named(monkeypatch):
    monkeypatch.setattr(roadmap, 'step_classifier', lambda track, step: torch.nn.Linear(3, 3))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(RuntimeError, match='modern_recipe fails: RuntimeError: mat1 and mat2'):
        throughput('resnet50', batch=1)
