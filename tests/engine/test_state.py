"""The state of a run is collected and restored whole."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.model import ImgDataPreprocessor
from torch import nn

from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.engine.state import check_heads, check_same_masks, used_preprocessing
from convnext_dense.errors import UserError
from convnext_dense.weights.preprocessing import Preprocessing
from tests.helpers.run_tool import train


def losses(work_dir: Path) -> list[tuple[int, float]]:
    return read_scalars(work_dir)['train/loss']


@pytest.mark.faults
def test_resume_goes_on_with_weights_average_optimizer_and_schedule(image_folder, tmp_path, capsys):
    options = ('model.backbone.drop_path_rate=0.3',)
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    assert train(image_folder, whole, options=options) == 0
    assert train(image_folder, cut, options=options) == 0
    (cut / 'epoch_2.pth').unlink()
    assert train(image_folder, cut, '--resume', options=options) == 0
    a, b = (torch.load(folder / 'epoch_2.pth', weights_only=True) for folder in (whole, cut))
    for part in ('state_dict', 'ema_state_dict'):
        assert all(torch.equal(t, b[part][n]) for n, t in a[part].items())
    assert a['optimizer']['state'][0]['step'] == b['optimizer']['state'][0]['step'] == 12
    assert losses(whole) == losses(cut)

    assert train(image_folder, cut, '--resume', '--epochs', '3', options=options) == 2
    assert 'had 12 steps and now has 18' in capsys.readouterr().err


def test_a_head_with_another_number_of_classes_than_the_data_is_named():
    model = nn.Module()
    model.rpn_head, model.bbox_head = nn.Module(), nn.Module()
    model.rpn_head.num_classes, model.bbox_head.num_classes = 1, 80

    def run(classes: list[str] | None) -> SimpleNamespace:
        loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo={'classes': classes})))
        return SimpleNamespace(bare_model=model, _train_loop=loop, _test_loop=None)

    with pytest.raises(
        UserError, match=r'^bbox_head has 80 classes, and the data 3: give bbox_head num_classes=3 in the config$'
    ):
        check_heads(run(list('abc')))
    check_heads(run(None))
    model.bbox_head.num_classes = 3
    check_heads(run(list('abc')))


@pytest.mark.parametrize('kind', ['RPN', 'MultiInstanceBBoxHead'])
def test_a_part_that_is_made_for_one_class_says_how_to_join_the_classes(kind):
    model = nn.Module()
    model.part = type('OfUsers', (type(kind, (nn.Module,), {}),), {})()

    def run(classes: list[str]) -> SimpleNamespace:
        loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo={'classes': classes})))
        return SimpleNamespace(bare_model=model, _train_loop=loop, _test_loop=None)

    said = f"^{kind} is made for one class, and the data have 3: join them with --merge 'a,b,c->object'$"
    with pytest.raises(UserError, match=said):
        check_heads(run(list('abc')))
    check_heads(run(['a']))


def test_a_panoptic_head_with_other_numbers_of_things_and_stuff_is_named():
    model = nn.Module()
    model.panoptic_head, model.bbox_head = nn.Module(), nn.Module()
    model.panoptic_head.num_things_classes, model.panoptic_head.num_stuff_classes = 2, 53
    model.panoptic_head.num_classes, model.bbox_head.num_classes = 55, 2
    metainfo = {'classes': list('abc'), 'stuff_classes': ['c']}
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo=metainfo)))
    run = SimpleNamespace(bare_model=model, _train_loop=loop, _test_loop=None)
    with pytest.raises(
        UserError, match=r'^panoptic_head has 2 classes of things and 53 of stuff, and the data 2 and 1: give .* num_s'
    ):
        check_heads(run)
    model.panoptic_head.num_stuff_classes = 1
    check_heads(run)
    model.bbox_head.num_classes = 3
    with pytest.raises(UserError, match=r'^bbox_head has 3 classes, and the data 2 of things: give bbox_head num_c'):
        check_heads(run)
    model.panoptic_head.num_classes, model.panoptic_head.num_things_classes = 3, 3
    model.panoptic_head.num_stuff_classes = 0  # a detector, for which all classes are things
    check_heads(run)


@pytest.mark.parametrize(
    ('model', 'checkpoint', 'said'),
    [
        (False, True, 'with masks, and this run learns boxes only'),
        (True, False, 'without masks, and this run learns masks'),
        (True, True, None),
        (False, False, None),
        (True, None, None),
        (None, True, None),
    ],
)
def test_a_checkpoint_with_masks_is_not_one_without(model, checkpoint, said):
    bare = nn.Module()
    if model is not None:
        bare.roi_head = nn.Module()
        bare.roi_head.with_mask = model
    run = SimpleNamespace(bare_model=bare)
    if said is None:
        check_same_masks(run, 'epoch_1.pth', checkpoint)
        return
    with pytest.raises(UserError) as error:
        check_same_masks(run, 'epoch_1.pth', checkpoint)
    assert str(error.value) == (
        f'checkpoint epoch_1.pth is of a detector {said}: take data and config as its run had them; to go on with '
        'these, start a new run from its weights with --pretrained'
    )


@pytest.mark.parametrize('rgb', [True, False])
def test_the_normalization_in_use_is_that_of_the_model_or_of_the_data(rgb):
    model = nn.Module()
    model.data_preprocessor = ImgDataPreprocessor([51.0, 102.0, 153.0], [25.5, 51.0, 76.5], bgr_to_rgb=rgb)
    runner = SimpleNamespace(bare_model=model, _train_loop=None, _val_loop=None, _test_loop={'type': 'TestLoop'})
    used = used_preprocessing(runner)
    order = slice(None, None, 1 if rgb else -1)
    assert (used.mean, used.std, used.bgr) == ((0.2, 0.4, 0.6)[order], (0.1, 0.2, 0.3)[order], not rgb)
    of_data = Preprocessing((0.5,), (0.5,))
    dataset = SimpleNamespace(preprocessing=of_data)
    runner._val_loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    assert used_preprocessing(runner) is of_data
    runner._val_loop, model.data_preprocessor = None, ImgDataPreprocessor()
    assert used_preprocessing(runner) is None
