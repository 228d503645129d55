"""Settings of a model that do not fit, found before data are read."""

import random
from unittest.mock import patch

import numpy as np
import pytest
import torch
from mmengine.config import Config

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.engine.dry_run import check_first_step
from convnext_dense.errors import UserError
from convnext_dense.tasks import set_classes, task_of
from convnext_dense.tasks.records import Part
from tests.helpers.small_models import write_config

GROUP_NORM = dict(_delete_=True, type='GN', num_groups=8, requires_grad=True)


def checked(task, tmp_path, options=None, batch=2):
    """The model of a small config for 5 classes, after the check."""
    options = {'train_dataloader.batch_size': batch, **(options or {})}
    cfg = read_config(str(write_config(task, tmp_path)), options, data='sample', needs_data=False)
    set_classes(cfg, 5)
    model = build_model(cfg)
    check_first_step(model, cfg, task_of(cfg))
    return model


@pytest.mark.parametrize(
    ('task', 'options', 'batch', 'said'),
    [
        (
            'segmentation',
            {},
            1,
            r'model.decode_head.psp_modules.0.1.bn has one value per channel .* batch of a process',
        ),
        ('segmentation', {'model.decode_head.loss_decode.class_weight': [1, 2]}, 2, '2 weights for 5 classes: give 5'),
        ('segmentation', {'model.decode_head.ignore_index': 3}, 2, r'decode_head.ignore_index is 3: .* the label 255'),
        ('segmentation', {'model.decode_head.ignore_index': -100}, 2, r'decode_head.ignore_index is -100'),
        ('segmentation', {'model.data_preprocessor.seg_pad_val': 0}, 2, r'data_preprocessor.seg_pad_val is 0'),
        (
            'segmentation',
            {'model.decode_head.loss_decode': dict(_delete_=True, type='mmseg.DiceLoss', ignore_index=0)},
            2,
            r'model.decode_head.loss_decode.ignore_index is 0: .* the label 255',
        ),
        (
            'segmentation',
            {'model.auxiliary_head.loss_decode': dict(_delete_=True, type='mmseg.TverskyLoss', ignore_index=-100)},
            2,
            r'model.auxiliary_head.loss_decode.ignore_index is -100',
        ),
        (
            'segmentation',
            {'model.decode_head.in_channels': [8, 16, 24, 64]},
            2,
            r'model.decode_head, which gets 8 chan',
        ),
        ('segmentation', {'model.auxiliary_head.in_index': 7}, 2, r'model.auxiliary_head.* tuple index out of range'),
        (
            'segmentation',
            {'model.backbone.out_indices': [0, 0, 1, 2]},
            2,
            r'model.decode_head.* does not fit the parts',
        ),
        ('segmentation', {'model.decode_head.channels': 0}, 2, r'model.decode_head.*expected weight to be at least 1'),
        ('segmentation', {'model.backbone.out_indices': -1}, 2, 'model.decode_head, which gets 32 channels'),
        ('detection', {'model.neck.num_outs': 4}, 2, 'model.rpn_head has anchors for 5 levels and gets 4'),
        ('detection', {'model.neck.num_outs': 3}, 2, "model can't be built: AssertionError at 'assert num_outs"),
        ('detection', {'model.neck.in_channels': [8, 16, 24, 33]}, 2, 'model.neck, which gets 8 channels'),
        ('detection', {'model.backbone.out_indices': [1, 2, 3]}, 2, r"model.neck.*AssertionError at 'assert len\("),
        ('detection', {'model.rpn_head.in_channels': 3}, 2, 'model.rpn_head, which gets 64 channels'),
        ('detection', {'model.roi_head.bbox_head.1.in_channels': 3}, 2, 'model.roi_head.bbox_head.1, which gets 64'),
        (
            'detection',
            {'model.roi_head.bbox_head.0.loss_cls.class_weight': [1] * 5},
            2,
            'bbox_head.0.loss_cls.class_weight has 5 weights for 5 classes and the background: give 6',
        ),
        (
            'detection',
            {'model.roi_head.bbox_roi_extractor.featmap_strides': [4, 8, 16, 32, 64, 128]},
            2,
            'bbox_roi_extractor takes 6 levels and gets 5',
        ),
        ('classification', {'model.backbone.out_indices': [0, 1]}, 2, 'not tuple'),
    ],
)
def test_what_does_not_fit_is_named_in_a_line(task, options, batch, said, tmp_path):
    with pytest.raises(UserError, match=said) as error:
        checked(task, tmp_path, options, batch)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('task', ['classification', 'detection', 'segmentation'])
def test_the_check_changes_neither_model_nor_random_numbers(task, tmp_path):
    cfg = read_config(str(write_config(task, tmp_path)), data='sample', needs_data=False)
    model = build_model(cfg)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    check_first_step(model, cfg, task_of(cfg))
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert all(parameter.device.type == 'cpu' for parameter in model.parameters())


def test_the_remedy_of_a_batch_of_one_is_one(tmp_path):
    with pytest.raises(UserError) as error:
        checked('segmentation', tmp_path, batch=1)
    for remedy in ('batch_size to 2 or more', 'several GPUs, whose batches SyncBN joins', 'take GroupNorm'):
        assert remedy in str(error.value)
    assert "'model.decode_head.norm_cfg=dict(_delete_=True, type=GN, num_groups=8, requires_grad=True)'" in str(
        error.value
    )
    model = checked('segmentation', tmp_path, {'model.decode_head.norm_cfg': GROUP_NORM}, batch=1)
    features = model.extract_feat(torch.randn(1, 3, 128, 128))
    model.decode_head(features).sum().backward()  # as no other test of this file does


def test_batch_norm_in_evaluation_mode_takes_a_batch_of_one(tmp_path):
    cfg = read_config(
        str(write_config('segmentation', tmp_path)), {'train_dataloader.batch_size': 1}, needs_data=False
    )
    model = build_model(cfg)
    head = model.decode_head
    head.train = lambda mode=True: torch.nn.Module.train(head, False)  # as models that keep their statistics do
    check_first_step(model, cfg, task_of(cfg))


def test_a_model_that_needs_values_is_checked_with_values(tmp_path):
    cfg = read_config(str(write_config('classification', tmp_path)), data='sample', needs_data=False)
    model = build_model(cfg)
    forward = model.backbone.forward

    def with_values(x):
        assert x.sum().item() == 0  # not possible without values
        return forward(x)

    model.backbone.forward = with_values
    check_first_step(model, cfg, task_of(cfg))
    model.head = torch.nn.Linear(7, 5)
    with pytest.raises(UserError, match=r"the config's model, which gets 3 channels .* cannot be multiplied"):
        check_first_step(model, cfg, task_of(cfg))


def seen_by(part, fails=None):
    """The shapes of a part's inputs, after its forward is made to need a value."""
    shapes, forward = [], part.forward

    def with_values(x):
        shapes.append(tuple(x.shape) if not x.is_meta else 'meta')
        float(x.mean())
        if fails is not None:
            raise fails
        return forward(x)

    part.forward = with_values
    return shapes


@pytest.mark.parametrize('batch', [2, 64])
def test_with_values_two_small_images_decide(tmp_path, batch):
    options = {'train_dataloader.batch_size': batch}
    cfg = read_config(str(write_config('segmentation', tmp_path)), options, needs_data=False)
    model = build_model(cfg)
    shapes = seen_by(model.backbone)
    task = task_of(cfg)
    with patch.object(task, 'training_size', return_value=(512, 640)):
        check_first_step(model, cfg, task)
    assert shapes == ['meta', (2, 3, 128, 128)]


def test_a_batch_of_one_is_checked_at_its_own_size(tmp_path):
    cfg = read_config(
        str(write_config('segmentation', tmp_path)), {'train_dataloader.batch_size': 1}, needs_data=False
    )
    model, task = build_model(cfg), task_of(cfg)
    shapes = seen_by(model.backbone)
    with (
        patch.object(task, 'training_size', return_value=(160, 192)),
        pytest.raises(UserError, match='batch of a process is 1 and its map is 1 x 1'),
    ):
        check_first_step(model, cfg, task)
    assert shapes == ['meta', (1, 3, 160, 192)]


def test_a_failure_at_a_small_size_is_tried_at_the_size_of_the_run(tmp_path):
    cfg = read_config(
        str(write_config('classification', tmp_path)), {'train_dataloader.batch_size': 8}, needs_data=False
    )
    model, task = build_model(cfg), task_of(cfg)
    shapes, forward = [], model.backbone.forward

    def of_one_size(x):
        shapes.append(tuple(x.shape))
        float(x.mean())
        assert x.shape[2:] == (160, 160)  # as a network with position embeddings
        return forward(x)

    model.backbone.forward = of_one_size
    with patch.object(task, 'training_size', return_value=(160, 160)):
        check_first_step(model, cfg, task)
    assert shapes[1:] == [(2, 3, 128, 128), (2, 3, 160, 160)]


@pytest.mark.parametrize(
    'error',
    [
        NotImplementedError("Could not run 'own::op' with arguments from the 'CPU' backend"),
        RuntimeError('deform_conv_forward_impl: implementation for device cpu:0 not found.'),
        AssertionError('Torch not compiled with CUDA enabled'),
        KeyError('img_metas'),
        AttributeError('no data samples'),
    ],
)
def test_what_does_not_run_on_the_cpu_is_not_judged(error, tmp_path):
    cfg = read_config(str(write_config('classification', tmp_path)), needs_data=False)
    model = build_model(cfg)
    shapes = seen_by(model.backbone, error)
    check_first_step(model, cfg, task_of(cfg))
    assert len(shapes) == 2


@pytest.mark.parametrize('place', ['backbone', 'decode_head', 'decode_head.loss_decode'])
def test_what_no_setting_has_a_loss_ignore_is_not_refused(tmp_path, place):
    """A loss of torch ignores -100 by itself; a model may hold one anywhere."""
    cfg = read_config(str(write_config('segmentation', tmp_path)), data='sample', needs_data=False)
    cfg.train_dataloader.batch_size = 2
    set_classes(cfg, 5)
    model = build_model(cfg)
    model.get_submodule(place).distillation = torch.nn.CrossEntropyLoss()
    check_first_step(model, cfg, task_of(cfg))
    cfg.model.decode_head.ignore_index = 255
    cfg.model.backbone.settings = dict(ignore_index=-100)  # of a part that reads no label maps
    check_first_step(model, cfg, task_of(cfg))
    cfg.model.backbone.settings.ignore_index = 3
    with pytest.raises(UserError, match=r'settings\.ignore_index is 3'):
        check_first_step(model, cfg, task_of(cfg))


def test_modules_and_tensors_that_are_shared_stay_as_they_are():
    """The levels of RTMDet's head share convolutions, in which torch's functional_call would leave its copies."""

    class Shared(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.tied = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
            self.levels = torch.nn.ModuleList([torch.nn.Sequential(self.one), torch.nn.Sequential(self.one)])
            self.tied.weight = self.one.weight

        def forward(self, x):
            return self.tied(self.levels[1](x.mean(dim=(2, 3))))

    model = Shared()
    before, devices = dict(model.named_parameters()), []

    class Task:
        def check_model(self, model, settings):
            pass

        def training_size(self, cfg):
            return 4, 4

        def training_parts(self, model, image):
            yield Part('model', [image])
            devices.append(model(image).device.type)

    cfg = Config(dict(model={}, train_dataloader=dict(batch_size=2)))
    check_first_step(model, cfg, Task())
    assert devices == ['meta']
    assert all(one is before[name] and one.device.type == 'cpu' for name, one in model.named_parameters())
    assert model.levels[1][0].weight is model.tied.weight is before['one.weight']
