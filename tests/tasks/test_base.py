"""The contract: a new task needs only its own methods, and says what it can't do."""

import numpy as np
import pytest
import torch
from torch import nn

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.export.graphs import Graph
from convnext_dense.tasks import TASKS, Task, task_of


class Pretraining(Task):
    """A task without predictions for images."""

    name = 'pretraining'
    model_name = 'autoencoder'

    def point_at(self, cfg, root):
        pass

    def count_classes(self, cfg):
        return 0

    def read_records(self, datasets):
        raise NotImplementedError

    def draw_record(self, data, record, title, fault):
        raise NotImplementedError

    def draw_comparison(self, output, metainfo):
        raise NotImplementedError

    def counted_shape(self, cfg):
        return (224, 224)


@pytest.mark.parametrize(
    ('call', 'problem'),
    [
        (lambda task: task.input_shape(None), 'gives no predictions for images'),
        (lambda task: task.build_transform(None), 'gives no predictions for images'),
        (lambda task: task.normalization(None, None), 'gives no predictions for images'),
        (lambda task: task.prepare(None, np.zeros((1, 1, 3), np.uint8), None), 'gives no predictions for images'),
        (lambda task: task.predict(None, [], None), 'gives no predictions for images'),
        (lambda task: task.build_graph(nn.Identity(), None), 'has nothing to export'),
        (lambda task: task.build_graph(nn.Identity(), None, 'logits'), 'has nothing to export'),
        (lambda task: task.random_sample(None, (1, 1), 1), 'is not measured'),
        (lambda task: task.comparable_outputs(None, None, []), 'is not measured'),
    ],
)
def test_a_task_says_what_it_has_not(call, problem):
    with pytest.raises(UserError, match=f'^a model for pretraining {problem}.*: take a config of another task$'):
        call(Pretraining())


def test_defaults_of_a_task_without_more():
    task = Pretraining()
    assert task.count_head_classes({'head.weight': torch.zeros(3, 4)}) is None
    assert task.run_counted(nn.Identity(), torch.zeros(1)) == 'the whole forward pass'
    assert (task.exports, task.extra_files, task.count_column, task.has_techniques) == ((), (), None, False)


@pytest.mark.parametrize(
    'task', [task for name, task in TASKS.items() if name != 'pretraining'], ids=lambda task: task.name
)
def test_every_export_has_a_graph_of_its_own(task):
    graphs = [task.graph_class(output) for output in task.exports]
    assert len(set(graphs)) == len(graphs) > 0
    assert all(issubclass(graph, Graph) for graph in graphs)
    assert next(iter(graphs[0].outputs)) in (task.exports[0], 'boxes', 'stage0')
    with pytest.raises(
        UserError, match=rf'^--task-output none: a model for {task.name} has {", ".join(task.exports)}$'
    ):
        task.build_graph(None, None, 'none')


@pytest.mark.parametrize(
    ('config', 'key'),
    [
        ('seg/upernet_convnext_t_ade20k', 'pipeline.0.value_range'),
        ('det/mask_rcnn_convnext_t_coco', 'pipeline.0.value_range'),
        ('classification/convnext_t', 'value_range'),
    ],
)
def test_the_value_range_is_that_of_the_data(config, key):
    used = ('train_dataloader', 'val_dataloader')

    def read(*, train=None, val=None, test=None):
        ranges = {'train': train, 'val': val, 'test': test}
        options = {f'{split}_dataloader.dataset.{key}': values for split, values in ranges.items() if values}
        cfg = read_config(f'configs/{config}.py', options, needs_data=False)
        return cfg, task_of(cfg)

    cfg, task = read(train=(0, 4095), val=(0, 4095), test=(0, 4095))  # not in tta_pipeline
    assert task.value_range(cfg) == task.value_range(cfg, used) == (0, 4095)
    cfg, task = read(test=(0, 1))
    assert task.value_range(cfg) == (0, 1)
    assert task.value_range(cfg, used) is None
    cfg, task = read(train=(0, 4095))
    assert task.value_range(cfg) is None
    with pytest.raises(UserError, match=r'^train_dataloader and val_dataloader: .*\(0 to 4095, none set\): set the'):
        task.value_range(cfg, used)
    cfg, task = read()
    task.set_value_range(cfg, (5, 7))
    assert task.value_range(cfg) == (5, 7)


def test_a_loader_of_data_sets_with_several_ranges_is_refused():
    cfg = read_config('configs/classification/convnext_t.py', needs_data=False)
    own = cfg.test_dataloader.dataset
    cfg.test_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[dict(own, value_range=(0, 1)), dict(own, value_range=(0, 2))]
    )
    with pytest.raises(UserError, match=r'test_dataloader: images are read with .*\(0 to 1, 0 to 2\)'):
        task_of(cfg).value_range(cfg)


@pytest.mark.parametrize(
    'config', ['seg/upernet_convnext_t_ade20k', 'det/mask_rcnn_convnext_t_coco', 'classification/convnext_t']
)
def test_page_and_limit_of_pixels_reach_all_data_and_may_not_differ(config):
    cfg = read_config(f'configs/{config}.py', needs_data=False, page=2, max_pixels=10**9)
    task, used = task_of(cfg), ('train_dataloader', 'val_dataloader')
    assert task.opening(cfg) == task.opening(cfg, used) == (2, 10**9)
    parts = task.image_parts(cfg)
    assert len(parts) >= 3 and all((part['page'], part['max_pixels']) == (2, 10**9) for part in parts)
    parts[0]['page'] = 3
    with pytest.raises(UserError, match=r'^train_dataloader and val_dataloader: images are opened with different'):
        task.opening(cfg, used)
    assert task.opening(read_config(f'configs/{config}.py', needs_data=False)) == (None, None)
    with pytest.raises(UserError, match=r'^page 0: give a whole number, from 1 on$'):
        read_config(f'configs/{config}.py', needs_data=False, page=0)
