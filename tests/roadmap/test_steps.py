"""The roadmap's steps and the decisions that they take."""

from dataclasses import fields

import pytest

from convnext_dense import paper
from convnext_dense.roadmap.steps import TRACKS, Design, design_of

# Per step: the step whose design it changes, and the decisions that it changes.
CHANGES: dict[str, tuple[str, set[str]]] = {
    'modern_recipe': ('baseline', set()),
    'stage_ratio': ('modern_recipe', {'depths'}),
    'patchify_stem': ('stage_ratio', {'patchify_stem'}),
    'depthwise_conv': ('patchify_stem', {'depthwise'}),
    'width': ('depthwise_conv', {'width'}),
    'inverted_bottleneck': ('width', {'inverted_bottleneck'}),
    'depthwise_conv_up': ('inverted_bottleneck', {'depthwise_first'}),
    'kernel_5': ('depthwise_conv_up', {'kernel_size'}),
    'kernel_7': ('depthwise_conv_up', {'kernel_size'}),
    'kernel_9': ('depthwise_conv_up', {'kernel_size'}),
    'kernel_11': ('depthwise_conv_up', {'kernel_size'}),
    'gelu': ('kernel_7', {'activation'}),
    'fewer_activations': ('gelu', {'fewer_activations'}),
    'fewer_norms': ('fewer_activations', {'fewer_norms'}),
    'layer_norm': ('fewer_norms', {'norm'}),
    'separate_downsampling': ('layer_norm', {'separate_downsampling', 'layer_scale_init_value'}),
}


def changed(track: str, before: str, after: str) -> dict[str, tuple]:
    one, two = design_of(track, before), design_of(track, after)
    pairs = {f.name: (getattr(one, f.name), getattr(two, f.name)) for f in fields(Design)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@pytest.mark.parametrize('track', ['resnet50', 'resnet200'])
def test_each_step_changes_the_named_decision_and_nothing_else(track):
    assert (
        [step.name for step in TRACKS[track]] == ['baseline', *CHANGES] == [row.step for row in paper.ROADMAP[track]]
    )
    for step, (before, decisions) in CHANGES.items():
        if (track, step) == ('resnet200', 'stage_ratio'):
            decisions = decisions | {'width'}  # appendix C: from 64 to 84, to keep the FLOPs
        assert changed(track, before, step).keys() == decisions, step


def test_the_decisions_have_the_papers_values():
    assert changed('resnet50', 'baseline', 'separate_downsampling') == {
        'depths': ((3, 4, 6, 3), (3, 3, 9, 3)),
        'width': (64, 96),
        'patchify_stem': (False, True),
        'depthwise': (False, True),
        'inverted_bottleneck': (False, True),
        'depthwise_first': (False, True),
        'kernel_size': (3, 7),
        'activation': ('relu', 'gelu'),
        'fewer_activations': (False, True),
        'fewer_norms': (False, True),
        'norm': ('bn', 'ln'),
        'separate_downsampling': (False, True),
        'layer_scale_init_value': (0.0, 1e-6),
    }
    assert changed('resnet200', 'modern_recipe', 'stage_ratio') == {
        'depths': ((3, 24, 36, 3), (3, 3, 27, 3)),
        'width': (64, 84),
    }
    assert changed('resnet200', 'depthwise_conv', 'width') == {'width': (84, 128)}
    assert [changed('resnet50', 'gelu', f'kernel_{k}')['kernel_size'][1] for k in (5, 9, 11)] == [5, 9, 11]


def test_decisions_replace_the_steps_own() -> None:
    design = design_of('resnet50', 'separate_downsampling', kernel_size=13, depths=[1, 2, 1, 1])
    assert (design.kernel_size, design.depths, design.width) == (13, (1, 2, 1, 1), 96)
