"""Folders with LoRA adapters alone, written for PEFT and read from it."""

import json
import re
import shutil
from pathlib import Path

import pytest
import timm
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import ConvNextConfig, ConvNextForImageClassification

from convnext_dense.errors import UserError
from convnext_dense.models import ImageClassifier
from convnext_dense.models.lora import LoraSettings, insert_adapters
from convnext_dense.weights.adapter_folder import CONFIG, TENSORS, merge_adapter, read_adapter, write_adapter
from convnext_dense.weights.extraction import Weights, extract_weights
from convnext_dense.weights.preprocessing import IMAGENETS, Preprocessing
from convnext_dense.weights.published_preprocessing import CLIP_MEAN, CLIP_STD
from tests.helpers.small_classifier import ARCH, classifier, official

SETTINGS = LoraSettings(2, 3.0)
X = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(5))


def weights_of(state: dict, name: str = 'run.pth', **options) -> Weights:
    meta = {'convnext_dense': '0', 'lora': SETTINGS._asdict(), 'dataset_meta': {'classes': ['a', 'b', 'c', 'd']}}
    trained_here = any('.lora_' in key for key in state)
    return extract_weights({'state_dict': state, 'meta': meta} if trained_here else state, name, **options)


def trained_from(base: ImageClassifier) -> ImageClassifier:
    """A copy with adapters in which all that trains has moved."""
    model = classifier()
    model.load_state_dict(base.state_dict())
    insert_adapters(model, SETTINGS)
    for parameter in model.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter)
    return model.eval()


@pytest.fixture
def base() -> ImageClassifier:
    return classifier().eval()


@pytest.fixture
def run(base) -> ImageClassifier:
    return trained_from(base)


@pytest.fixture
def folder(run, tmp_path) -> Path:
    write_adapter(tmp_path / 'adapter', weights_of(run.state_dict(), merged=False), SETTINGS, 'convnext_x_1k')
    return tmp_path / 'adapter'


def test_on_its_base_a_folder_is_the_run(base, run, folder):
    """The head of the base, which is of other features, is left."""
    merged = merge_adapter(weights_of(official(base)), read_adapter(folder))
    assert merged.classes == ['a', 'b', 'c', 'd']
    assert f'with the LoRA adapter {folder} merged' in merged.source
    model = classifier()
    model.load_state_dict(merged.state)
    torch.testing.assert_close(model.eval()(X), run(X), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(base(X), run(X), rtol=0.1)
    wanted = weights_of(run.state_dict()).state  # merged from the run's own checkpoint
    assert merged.state.keys() == wanted.keys()
    assert all(torch.equal(tensor, merged.state[name]) for name, tensor in wanted.items())


def test_peft_loads_a_folder_of_ours(base, run, folder):
    assert {path.name for path in folder.iterdir()} == {CONFIG, TENSORS}
    assert (folder / CONFIG).stat().st_mode == (folder / TENSORS).stat().st_mode
    assert json.loads((folder / CONFIG).read_text())['base_model_name_or_path'] == 'convnext_x_1k'
    theirs = PeftModel.from_pretrained(base, folder).eval()
    torch.testing.assert_close(theirs(X), run(X), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(theirs.merge_and_unload()(X), run(X), rtol=1e-4, atol=1e-4)


def timm_network() -> nn.Module:
    return timm.models.ConvNeXt(depths=(1, 1, 1, 1), dims=(4, 8, 12, 16), num_classes=4, conv_mlp=False)


def timm_convolutional() -> nn.Module:
    return timm.models.ConvNeXt(depths=(1, 1, 1, 1), dims=(4, 8, 12, 16), num_classes=4, conv_mlp=True)


def transformers_network() -> nn.Module:
    config = ConvNextConfig(depths=[1, 1, 1, 1], hidden_sizes=[4, 8, 12, 16], num_labels=4, layer_norm_eps=1e-6)
    return ConvNextForImageClassification(config)


@pytest.mark.parametrize(
    ('build', 'targets', 'saved'),
    [
        (timm_network, ['mlp.fc1', 'mlp.fc2'], ['head.fc', 'head.norm']),
        (timm_convolutional, ['mlp.fc1'], None),
        (transformers_network, ['pwconv1', 'pwconv2'], ['classifier']),
        (transformers_network, ['pwconv2'], None),
    ],
)
def test_an_adapter_that_peft_made_for_another_library_s_network_is_merged(build, targets, saved, tmp_path):
    network = build().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    adapted = get_peft_model(network, LoraConfig(r=2, lora_alpha=6, target_modules=targets, modules_to_save=saved))
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter)
    adapted.save_pretrained(tmp_path)
    merged = merge_adapter(weights_of(state), read_adapter(tmp_path))
    model = classifier()
    model.load_state_dict(merged.state)
    theirs = adapted.eval()(X)
    theirs = getattr(theirs, 'logits', theirs)
    torch.testing.assert_close(model.eval()(X), theirs, rtol=1e-4, atol=1e-4)


def test_a_folder_for_another_network_or_other_weights_is_refused_by_both_names(base, folder):
    bigger = classifier(arch=ARCH | dict(dims=[8, 12, 16, 20]))
    said = (
        rf'{folder} is a LoRA adapter for ConvNeXt V1 depths \(1, 1, 1, 1\), dims \(4, 8, 12, 16\), and x.pth is '
        r'ConvNeXt V1 depths \(1, 1, 1, 1\), dims \(8, 12, 16, 20\): take the weights that it was trained on'
    )
    with pytest.raises(UserError, match=said):
        merge_adapter(weights_of(official(bigger), 'x.pth'), read_adapter(folder))
    deeper = classifier(arch=ARCH | dict(depths=[1, 1, 1, 2]))  # every adapted layer fits
    for adapter in (read_adapter(folder), read_adapter(folder)._replace(base=None)):
        with pytest.raises(UserError, match=r'and x.pth is ConvNeXt V1 depths \(1, 1, 1, 2\)'):
            merge_adapter(weights_of(official(deeper), 'x.pth'), adapter)
    with pytest.raises(UserError, match=r'started from, convnext_x_1k$'):
        merge_adapter(weights_of(official(classifier()), 'x.pth'), read_adapter(folder))
    for other, network in ((classifier(), ''), (classifier(version=2), ' of ConvNeXt V2 depths .*')):
        with pytest.raises(UserError, match=rf'for other weights of ConvNeXt V1 .* than x.pth{network}: take those'):
            merge_adapter(weights_of(official(other), 'x.pth'), read_adapter(folder))


def spoiled(folder: Path, **settings) -> Path:
    config = json.loads((folder / CONFIG).read_text()) | settings
    (folder / CONFIG).write_text(json.dumps({key: value for key, value in config.items() if value is not ...}))
    return folder


@pytest.mark.parametrize(
    ('spoil', 'said'),
    [
        (lambda f: spoiled(f, r=4), 'has rank 2 in .*, and adapter_config.json says 4'),
        (lambda f: spoiled(f, use_dora=True), 'use_dora=True, which computes something else than plain LoRA'),
        (lambda f: spoiled(f, use_rslora=True), 'use_rslora=True'),
        (lambda f: spoiled(f, init_lora_weights='pissa'), "init_lora_weights='pissa'"),
        (lambda f: spoiled(f, rank_pattern={'x': 2}), "rank_pattern={'x': 2}"),
        (lambda f: spoiled(f, bias='all'), "bias='all'"),
        (lambda f: spoiled(f, peft_type='IA3'), "peft_type='IA3'"),
        (lambda f: spoiled(f, peft_type=...), "is not PEFT's config of a LoRA adapter"),
        (lambda f: spoiled(f, r='two'), "is not PEFT's config"),
        (lambda f: (f / CONFIG).write_text('{'), "is not PEFT's config"),
        (lambda f: (f / TENSORS).write_bytes((f / TENSORS).read_bytes()[:-99]), 'is truncated or damaged'),
        (lambda f: (f / TENSORS).unlink(), 'is no LoRA adapter: it has no adapter_model.safetensors'),
        (lambda f: shutil.rmtree(f), 'is no LoRA adapter: it has no adapter_config.json'),
    ],
)
def test_what_is_no_plain_adapter_is_refused_in_one_line(folder, spoil, said):
    spoil(folder)
    with pytest.raises(UserError, match=said) as error:
        read_adapter(folder)
    assert '\n' not in str(error.value)
    assert str(folder) in str(error.value)


def test_an_adapter_of_other_layers_is_refused(tmp_path):
    network = nn.ModuleDict({'query': nn.Linear(4, 4), 'value': nn.Linear(4, 4)})
    get_peft_model(network, LoraConfig(r=2, target_modules=['query'])).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=re.escape('adapts query: take an adapter of the pointwise layers')):
        read_adapter(tmp_path)


def test_magnitudes_of_dora_in_the_tensors_are_refused(folder):
    from safetensors.torch import load_file

    tensors = load_file(folder / TENSORS)
    name = 'base_model.model.backbone.stages.0.0.pwconv1.lora_magnitude_vector'
    save_file({**tensors, name: torch.ones(16)}, folder / TENSORS)
    with pytest.raises(UserError, match='lora_magnitude_vector, which plain LoRA has not'):
        read_adapter(folder)


@pytest.mark.parametrize(
    'made_for',
    [
        Preprocessing((0.5,) * 3, (0.25,) * 3),
        Preprocessing(CLIP_MEAN, CLIP_STD, (256, 256), 0.9, 'bicubic', 'center'),
        Preprocessing((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), bgr=True),
        Preprocessing((0.5,), (0.25,)),
        None,
    ],
)
def test_a_folder_keeps_how_images_were_prepared_in_its_run(made_for, base, run, tmp_path):
    weights = weights_of(run.state_dict(), merged=False)._replace(preprocessing=made_for)
    write_adapter(tmp_path / 'adapter', weights, SETTINGS)
    of_base = weights_of(official(base))._replace(preprocessing=IMAGENETS)
    merged = merge_adapter(of_base, read_adapter(tmp_path / 'adapter'))
    if made_for is None:
        assert merged.preprocessing == IMAGENETS
        return
    assert merged.preprocessing is not None and merged.preprocessing.as_meta() == made_for.as_meta()


@pytest.mark.parametrize(
    ('key', 'text', 'said'),
    [
        ('preprocessing', '{"mean": [0.5, 0.5, 0.5]}', 'preprocessing in the meta of .* is not a mean, a std'),
        ('preprocessing', '{"mean": [9, 0.5, 0.5], "std": [1, 1, 1]}', 'values from 0 to 1'),
        ('preprocessing', '{"mean": ', 'damaged metadata: copy or download it again'),
        ('classes', '["a", ', 'damaged metadata: copy or download it again'),
    ],
)
def test_wrong_metadata_is_refused_in_one_line(key, text, said, folder):
    with safe_open(folder / TENSORS, 'pt') as file:
        metadata = file.metadata() | {key: text}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, folder / TENSORS, metadata)
    with pytest.raises(UserError, match=said) as error:
        read_adapter(folder)
    assert str(folder) in str(error.value) and '\n' not in str(error.value)
