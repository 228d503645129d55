"""Moving weights into models, strictly."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model, class_shapes
from convnext_dense.errors import UserError
from convnext_dense.models import ConvNeXt, ImageClassifier
from convnext_dense.tasks import set_classes
from convnext_dense.weights.class_counts import ClassShape
from convnext_dense.weights.conversion import convert
from convnext_dense.weights.extraction import Weights, extract_weights
from convnext_dense.weights.loading import load_full_model, load_pretrained, load_strictly
from convnext_dense.weights.reader import read_checkpoint
from tests.helpers.other_heads import write_head
from tests.helpers.small_classifier import ARCH, classifier, official, save


def read(path: Path) -> Weights:
    return extract_weights(read_checkpoint(path), path)


def same(a: torch.nn.Module, b: torch.nn.Module, skip: str = '-') -> bool:
    other = b.state_dict()
    return all(torch.equal(t, other[n]) for n, t in a.state_dict().items() if not n.startswith(skip))


def test_an_official_file_loads_into_the_bare_backbone_without_key_edits():
    source, target = classifier(), classifier()
    weights = {n: t for n, t in official(source)['model'].items() if not n.startswith('head')}
    target.backbone.load_state_dict(weights, strict=True)
    assert same(source, target, skip='head')


@pytest.mark.parametrize('layout', ['ours', 'official'])
def test_pretrained_loads_trunk_and_fitting_head(tmp_path, layout):
    source, target = classifier(), classifier()
    content = official(source) if layout == 'official' else {'state_dict': source.state_dict(), 'meta': {}}
    line = load_pretrained(target, save(content, tmp_path / 'w.pth'))
    assert same(source, target)
    assert 'fresh: nothing; left over in the file: nothing' in line


def test_a_parameter_of_the_model_itself_is_named(tmp_path):
    source, target = classifier(), classifier()
    target.level_embed = torch.nn.Parameter(torch.zeros(4))  # as in mmdet's DINO
    line = load_pretrained(target, save({'state_dict': source.state_dict()}, tmp_path / 'w.pth'))
    assert line.endswith('fresh: level_embed; left over in the file: nothing')
    line = load_pretrained(source, save({'state_dict': target.state_dict()}, tmp_path / 'v.pth'))
    assert line.endswith('fresh: nothing; left over in the file: level_embed')


def test_pretrained_keeps_a_fresh_head_for_other_classes(tmp_path):
    source, target = classifier(4), classifier(7)
    before = target.head.weight.clone()
    line = load_pretrained(target, save({'state_dict': source.state_dict()}, tmp_path / 'w.pth'))
    assert same(source, target, skip='head')
    assert torch.equal(target.head.weight, before)
    assert 'fresh: head; left over in the file: head' in line


def test_a_head_for_other_classes_stays_fresh_though_it_would_fit(tmp_path):
    source, target = classifier(2), classifier(2)
    content = {'state_dict': source.state_dict(), 'meta': {'dataset_meta': {'classes': ['cat', 'dog']}}}
    path = save(content, tmp_path / 'w.pth')
    before = target.head.weight.clone()
    line = load_pretrained(target, path, classes=['cat', 'cow'])
    assert torch.equal(target.head.weight, before)
    assert same(source, target, skip='head')
    assert line.endswith(
        'fresh: head; left over in the file: head (it is for 2 classes, 1 of them named as in the data and learned '
        'anew: cat)'
    )
    assert load_pretrained(target, path, classes=['sea', 'sky']).endswith('(it is for 2 other classes)')
    assert load_pretrained(target, path, classes=['dog', 'cat']).endswith(
        '(it is for the same 2 classes in another order, which are learned anew)'
    )
    assert torch.equal(target.head.weight, before)
    load_pretrained(target, path, classes=['cat', 'dog'])
    assert same(source, target)


def test_the_average_is_taken_when_asked_for(tmp_path):
    raw, ema, target = classifier(), classifier(), classifier()
    path = save({'state_dict': raw.state_dict(), 'ema_state_dict': ema.state_dict()}, tmp_path / 'w.pth')
    load_pretrained(target, path)
    assert same(raw, target)
    assert 'of averaged weights' in load_pretrained(target, path, weights='ema')
    assert same(ema, target)


class Dense(torch.nn.Module):
    """A backbone with an output of every stage, and what comes after it."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.backbone = ConvNeXt(ARCH)
        self.neck = torch.nn.Conv2d(4, 4, 1)
        self.roi_head = torch.nn.Linear(4, classes)
        for p in self.parameters():
            torch.nn.init.normal_(p)


def test_a_classifiers_trunk_moves_into_a_dense_model(tmp_path):
    source, target = classifier(), Dense()
    norm = target.backbone.norm0.weight.clone()
    line = load_pretrained(target, save({'state_dict': source.state_dict()}, tmp_path / 'w.pth'))
    trunk = {n: t for n, t in source.backbone.state_dict().items() if not n.startswith('norm.')}
    assert all(torch.equal(t, target.backbone.state_dict()[n]) for n, t in trunk.items())
    assert torch.equal(target.backbone.norm0.weight, norm)
    assert line.endswith('fresh: neck, norms of the outputs, roi_head; left over in the file: final norm, head')
    assert f'{len(trunk)} tensors' in line


def test_a_dense_model_starts_from_another_for_other_classes(tmp_path):
    source, target = Dense(4), Dense(5)
    line = load_pretrained(target, save({'state_dict': source.state_dict()}, tmp_path / 'w.pth'))
    assert same(source, target, skip='roi_head')
    assert line.endswith('fresh: roi_head; left over in the file: roi_head')


def fcmae(model: ImageClassifier) -> dict:
    """As V2's masked pre-training stores an encoder: kernels flattened column by column, GRN as (1, 4C)."""
    weights = {}
    for name, t in model.backbone.state_dict().items():
        stem = name.startswith('downsample_layers.0')
        if name.startswith('norm.'):
            continue
        if name.endswith('dwconv.weight'):  # (C, 1, k, k)
            out = torch.stack([t[:, 0, y, x] for x in range(7) for y in range(7)])
            name = name.replace('weight', 'kernel')
        elif t.ndim == 4 and not stem and 'grn' not in name:  # (out, in, k, k)
            out = torch.stack([t[:, :, y, x].T for x in range(2) for y in range(2)])
            name = name.replace('weight', 'kernel')
        elif 'grn' in name:
            out = t.reshape(1, -1)
        elif 'pwconv' in name:
            out, name = t, name.replace('.weight', '.linear.weight').replace('.bias', '.linear.bias')
        elif '.norm.' in name:
            out, name = t, name.replace('.norm.', '.norm.ln.')
        elif name.endswith('.bias') and 'dwconv' in name:
            out = t.reshape(1, -1)
        else:
            out = t
        weights[f'encoder.{name}'] = out
    return weights | {'mask_token': torch.zeros(1), 'decoder.0.dwconv.weight': torch.zeros(1)}


def test_masked_pre_training_loads(tmp_path):
    source, target = classifier(version=2), classifier(version=2)
    line = load_pretrained(target, save({'model': fcmae(source)}, tmp_path / 'w.pt'))
    trunk = {n: t for n, t in source.backbone.state_dict().items() if not n.startswith('norm.')}
    assert all(torch.equal(t, target.backbone.state_dict()[n]) for n, t in trunk.items())
    assert line.endswith('fresh: final norm, head; left over in the file: decoder, mask_token')


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        (dict(arch=dict(depths=[1, 2, 1, 1], dims=[4, 8, 12, 16])), r'stages\.1\.1\.\S+ \(.*left over'),
        (dict(arch=dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 20])), r'is \(20,.*instead of \(16,'),
        (dict(version=2), r'gamma is missing'),
    ],
)
def test_pretrained_of_another_backbone_is_named_by_its_first_differences(tmp_path, change, named):
    source, target = classifier(**change), classifier()
    before = {n: t.clone() for n, t in target.state_dict().items()}
    with pytest.raises(UserError, match=named):
        load_pretrained(target, save({'state_dict': source.state_dict()}, tmp_path / 'w.pth'))
    assert all(torch.equal(t, before[n]) for n, t in target.state_dict().items())


@pytest.mark.parametrize('load', [load_pretrained, lambda model, path: load_full_model(model, read(path))])
def test_networks_that_differ_are_named_before_the_differences(tmp_path, load):
    def said(file: dict, config: dict) -> str:
        path = save({'state_dict': backbone_alone(**file)}, tmp_path / 'w.pth')
        with torch.device('meta'), pytest.raises(UserError) as error:
            load(classifier(**config), path)
        return str(error.value)

    def backbone_alone(**backbone) -> dict:
        with torch.device('meta'):
            names = classifier(**backbone).state_dict()
        return {name: torch.empty(tensor.shape) for name, tensor in names.items()}

    v1, v2 = dict(arch='atto', version=1), dict(arch='atto', version=2)
    names = 'ConvNeXt V1 atto', 'ConvNeXt V2 atto'
    for (file, config), (theirs, ours) in (((v1, v2), names), ((v2, v1), names[::-1])):
        line = said(file, config)
        assert f': its backbone is {theirs}, that of the config {ours} (backbone.stages.0.0.' in line
        assert line.endswith(f'): take weights of {ours}, or a config of {theirs}')
    assert ': its backbone is ConvNeXt V1 femto, that of the config ConvNeXt V1 atto (backbone.' in said(
        dict(arch='femto'), v1
    )
    isotropic = dict(type='convnext_dense.IsotropicConvNeXt', arch='small', out_indices=..., layer_scale_init_value=0)
    assert ': its backbone is ConvNeXt V1 atto, that of the config isotropic ConvNeXt small (backbone.' in said(
        v1, isotropic
    )


def test_networks_are_not_named_where_that_says_nothing(tmp_path):
    """Of one size, or of the roadmap, whose names are a ConvNeXt's and whose layers are not."""
    roadmap = dict(type='convnext_dense.RoadmapNet', arch=..., track='resnet50', step='kernel_7')
    for other in (classifier(in_channels=1), classifier(**roadmap)):
        with pytest.raises(UserError, match=r'^x\.pth is of another model than this config: backbone\.') as error:
            load_strictly(classifier(), other.state_dict(), 'x.pth')
        assert 'its backbone' not in str(error.value)


def test_pretrained_of_another_family_is_refused(tmp_path):
    with pytest.raises(UserError, match=r'no ConvNeXt weights: its first tensors are blocks\.0\.attn'):
        load_pretrained(classifier(), save({'model': {'blocks.0.attn': torch.zeros(1)}}, tmp_path / 'w.pth'))


def test_strict_loading_changes_nothing_when_it_fails():
    target = classifier(4)
    before = target.head.weight.clone()
    with pytest.raises(UserError, match=r'head\.weight is \(5, 16\) instead of \(4, 16\)'):
        load_strictly(target, classifier(5).state_dict(), 'x.pth')
    assert torch.equal(target.head.weight, before)


@pytest.mark.parametrize('norm', ['norm_pre', None])
def test_a_head_is_never_loaded_on_top_of_a_fresh_norm(norm, tmp_path):
    source, target = classifier(), classifier()
    content = official(source)
    for leaf in ('weight', 'bias'):
        tensor = content['model'].pop(f'norm.{leaf}')
        if norm:
            content['model'][f'{norm}.{leaf}'] = tensor
    path = save(content, tmp_path / 'w.pth')
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    said = r'set model\.backbone\.norm_before_pooling=True$' if norm else 'has a head and no norm after the pooling'
    with pytest.raises(UserError, match=said):
        load_pretrained(target, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in target.state_dict().items())
    if norm:
        with pytest.raises(UserError, match=said):
            load_pretrained(classifier(7), path)  # other classes
        assert 'fresh: nothing' in load_pretrained(classifier(norm_before_pooling=True), path)
    else:
        assert 'fresh: final norm, head' in load_pretrained(classifier(7), path)


RECIPES = {
    # config: the tensors of its model whose shapes have the number of classes in them
    'configs/det/cascade_convnext_a_coco.py': (
        [f'roi_head.bbox_head.{i}.{layer}' for i in range(3) for layer in ('fc_cls', 'fc_reg')]
        + [f'roi_head.mask_head.{i}.conv_logits' for i in range(3)],
        'roi_head.bbox_head.0-2.fc_cls, roi_head.bbox_head.0-2.fc_reg, roi_head.mask_head.0-2.conv_logits',
    ),
    'configs/seg/upernet_convnext_a_ade20k.py': (
        ['auxiliary_head.conv_seg', 'decode_head.conv_seg'],
        'auxiliary_head.conv_seg, decode_head.conv_seg',
    ),
    'configs/classification/convnext_a.py': (['head'], 'head'),
    'retinanet': (['bbox_head.retina_cls'], 'bbox_head.retina_cls'),
    'dino': (
        ['bbox_head.cls_branches.0', 'bbox_head.cls_branches.1', 'dn_query_generator.label_embedding'],
        'bbox_head.cls_branches, dn_query_generator',
    ),
    'mask2former_seg': (['decode_head.cls_embed'], 'decode_head.cls_embed'),
}


def built(config: str, count: int, folder: Path, **options) -> tuple[Config, torch.nn.Module]:
    path = config if config.endswith('.py') else str(write_head(config, folder))
    cfg = read_config(path, options or None, needs_data=False)
    set_classes(cfg, count)
    model = build_model(cfg)
    for p in model.parameters():
        torch.nn.init.normal_(p)
    return cfg, model


@pytest.mark.parametrize('config', RECIPES)
@pytest.mark.parametrize('theirs', [3, 6])
def test_of_a_model_for_other_classes_only_the_layers_with_classes_in_their_shapes_are_fresh(config, theirs, tmp_path):
    layers, named = RECIPES[config]
    _, source = built(config, theirs, tmp_path)
    cfg, target = built(config, 3, tmp_path)
    before = {n: t.clone() for n, t in target.state_dict().items()}
    meta = {'convnext_dense': '1', 'dataset_meta': {'classes': [f'their {k}' for k in range(theirs)]}}
    path = save({'state_dict': source.state_dict(), 'meta': meta}, tmp_path / 'w.pth')
    line = load_pretrained(target, path, classes=list('abc'), find_class_shapes=lambda: class_shapes(cfg))
    fresh = {n for n in before if n.rpartition('.')[0] in layers}
    assert len(fresh) == len(layers) * (1 if config == 'dino' else 2) + 2 * (config == 'dino')
    theirs_now = source.state_dict()
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, before[name] if name in fresh else theirs_now[name]), name
    assert f'pretrained: {len(before) - len(fresh)} tensors from' in line
    assert line.endswith(f'fresh: {named}; left over in the file: {named} (it is for {theirs} other classes)')


def test_fine_tuning_leaves_the_random_numbers_of_the_run_alone(tmp_path):
    _, source = built('fcn', 5, tmp_path)
    cfg, target = built('fcn', 3, tmp_path)
    path = save({'state_dict': source.state_dict()}, tmp_path / 'w.pth')
    state = torch.get_rng_state()
    load_pretrained(target, path, find_class_shapes=lambda: class_shapes(cfg))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ('config', 'option', 'value', 'named'),
    [
        (
            'configs/det/cascade_convnext_a_coco.py',
            'model.neck.out_channels',
            32,
            r'neck\.lateral_convs\.0\.conv\.weight',
        ),
        (
            'configs/seg/upernet_convnext_a_ade20k.py',
            'model.decode_head.channels',
            32,
            r'decode_head\.conv_seg\.weight',
        ),
        ('fcos', 'model.bbox_head.feat_channels', 8, r'bbox_head\.cls_convs\.0\.conv\.weight'),
        ('detr', 'model.num_queries', 7, r'query_embedding\.weight is \(5, 32\) instead of \(7, 32\)'),
    ],
)
def test_a_shape_that_differs_for_another_reason_than_the_classes_is_refused(config, option, value, named, tmp_path):
    _, source = built(config, 6, tmp_path)
    cfg, target = built(config, 3, tmp_path, **{option: value})
    before = {n: t.clone() for n, t in target.state_dict().items()}
    path = save({'state_dict': source.state_dict(), 'meta': {'convnext_dense': '1'}}, tmp_path / 'w.pth')
    with pytest.raises(
        UserError, match=f'does not fit this model, and not for its number of classes: .*{named}'
    ) as error:
        load_pretrained(target, path, find_class_shapes=lambda: class_shapes(cfg))
    assert f'`convnext-dense convert_weights {path} backbone.pth --to official` writes it' in str(error.value)
    assert all(torch.equal(t, before[n]) for n, t in target.state_dict().items())


def test_a_head_of_one_channel_starts_from_one_of_many_classes(tmp_path):
    _, source = built('fcn', 6, tmp_path)
    options = {'model.decode_head.out_channels': 1, 'model.decode_head.loss_decode.use_sigmoid': True}
    cfg, target = built('fcn', 2, tmp_path, **options)
    path = save({'state_dict': source.state_dict(), 'meta': {'convnext_dense': '1'}}, tmp_path / 'w.pth')
    line = load_pretrained(target, path, find_class_shapes=lambda: class_shapes(cfg, channel_per_class=True))
    assert line.endswith('fresh: decode_head.conv_seg; left over in the file: decode_head.conv_seg')
    assert same(source, target, skip='decode_head.conv_seg')


@pytest.mark.parametrize(('frozen', 'said'), [(-1, False), (3, False), (4, True)])
def test_what_is_frozen_and_not_in_the_file_is_said(tmp_path, frozen, said):
    """A detector's weights have no final norm, so that a frozen one would stay as it was made."""
    state = ConvNeXt(ARCH).state_dict()
    path = tmp_path / 'detector.pth'
    torch.save({'state_dict': {f'backbone.{name}': tensor for name, tensor in state.items()}, 'meta': {}}, path)
    model = ImageClassifier(dict(type='convnext_dense.ConvNeXt', arch=ARCH, out_indices=None, frozen_stages=frozen), 3)
    line = load_pretrained(model, path)
    assert line.endswith('; frozen without weights: final norm') is said
    assert ('; frozen' in line) is said


def with_head(hidden: int | None) -> ImageClassifier:
    backbone = dict(type='convnext_dense.ConvNeXt', arch=ARCH, out_indices=None)
    model = ImageClassifier(backbone, 4, head_hidden_size=hidden)
    for p in model.parameters():
        torch.nn.init.normal_(p)
    return model


@pytest.mark.parametrize('layout', ['ours', 'timm'])
@pytest.mark.parametrize('hidden', [16, 24])  # 16 is also the number of features
def test_a_head_is_taken_with_its_hidden_layer_or_not_at_all(tmp_path, layout, hidden):
    """Though the last layers may have the same shape, they are for other features."""
    for source, target, said in (
        (with_head(hidden), with_head(None), f'has a hidden layer: model.head_hidden_size={hidden} takes it'),
        (with_head(None), with_head(hidden), 'has no hidden layer: without model.head_hidden_size it is taken'),
    ):
        state = source.state_dict() if layout == 'ours' else convert(source.state_dict(), 'timm').state
        path = save({'state_dict': state}, tmp_path / 'w.pth')
        before = {name: tensor.clone() for name, tensor in target.head.state_dict().items()}
        line = load_pretrained(target, path, find_class_shapes=lambda: {'head.weight': ClassShape((0, 16), (1, 0))})
        assert 'fresh: head; left over in the file: head;' in line
        assert said in line
        assert all(torch.equal(tensor, before[name]) for name, tensor in target.head.state_dict().items())
        assert same(source, target, skip='head')
        equal = with_head(hidden if source.head.in_features == hidden and hasattr(source.head, 'hidden') else None)
        assert 'fresh: nothing; left over in the file: nothing' in load_pretrained(equal, path)
        assert same(source, equal)
        with pytest.raises(UserError, match=r'head\.hidden\.(weight|bias).* is (missing|left over)'):
            load_full_model(target, read(path))


def test_a_grn_of_another_size_and_a_final_norm_that_is_no_copy_are_named(tmp_path):
    source, target = classifier(version=2), classifier(version=2)
    content = official(source)
    content['model']['stages.1.0.grn.gamma'] = torch.ones(8)  # C rather than 4C
    with pytest.raises(UserError, match=r'stages\.1\.0\.grn\.gamma is \(1, 1, 1, 8\) instead of \(1, 1, 1, 32\)$'):
        load_pretrained(target, save(content, tmp_path / 'w.pth'))
    content = official(source)['model']
    content |= {f'norms.3.{leaf}': content[f'norm.{leaf}'] + 1 for leaf in ('weight', 'bias')}
    with pytest.raises(UserError, match=r'w\.pth has other values in norms\.3 than in norm'):
        load_pretrained(target, save(content, tmp_path / 'w.pth'))
