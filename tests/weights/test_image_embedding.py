"""CLIP's projection to an image embedding, which is no classifier, in timm's files."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from convnext_dense.weights.conversion import convert
from convnext_dense.weights.extraction import extract_weights
from convnext_dense.weights.image_embedding import has_image_embedding
from convnext_dense.weights.loading import load_pretrained
from convnext_dense.weights.reader import read_checkpoint
from tests.helpers.small_classifier import classifier


def config(tag: str, classes: int) -> dict:
    return {'architecture': 'convnext_base', 'num_classes': classes, 'pretrained_cfg': {'tag': tag}}


@pytest.mark.parametrize(
    ('outputs', 'bias', 'content', 'embedding'),
    [
        (640, 0, config('clip_laion2b_augreg', 640), True),
        (768, 0, config('clip_laion2b_ft_soup_320', 768), True),  # fine-tuned as CLIP
        (11821, 1, config('clip_laion2b_augreg_ft_in12k', 11821), False),
        (1000, 1, config('clip_laiona_augreg_ft_in1k_384', 1000), False),
        (640, 0, config('my_640_classes', 640), False),
        (10, 1, config('clip_laion2b', 10), False),  # fine-tuned by someone who kept the tag
        (640, 1, config('clip_laion2b', 640), False),
        (10, 0, None, False),
        (640, 0, None, True),
        (640, 1, None, False),
        (1000, 0, None, False),
        (640, 0, {'architecture': 'convnext_base'}, True),
        (640, 1, [], False),
    ],
)
def test_it_is_known_by_the_tag_or_else_by_its_size_without_a_bias(outputs, bias, content, embedding, tmp_path):
    state = {'head.weight': torch.ones(outputs, 2), 'head.bias': torch.full((outputs,), float(bias))}
    if content is not None:
        (tmp_path / 'config.json').write_text(json.dumps(content))
    assert has_image_embedding(tmp_path / 'model.safetensors', state) is embedding
    assert not has_image_embedding(tmp_path / 'model.safetensors', {'backbone.norm.weight': torch.ones(2)})


def saved(folder: Path, bias: float) -> Path:
    model = classifier(640)
    torch.nn.init.constant_(model.head.bias, bias)
    save_file(convert(model.state_dict(), 'timm', conv_mlp=False).state, folder / 'trunk.safetensors')
    return folder / 'trunk.safetensors'


def test_it_is_left_over_and_said(tmp_path):
    path, target = saved(tmp_path, 0), classifier(640)
    before = target.head.weight.clone()
    line = load_pretrained(target, path)
    assert "(timm, whose head of 640 outputs is CLIP's image embedding, no classifier)" in line
    assert 'fresh: head; left over in the file: head' in line
    assert torch.equal(target.head.weight, before)
    assert 'head.weight' not in extract_weights(read_checkpoint(path), path).state
    load_pretrained(target, saved(tmp_path, 0.5))
    assert not torch.equal(target.head.weight, before)
