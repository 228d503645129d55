"""Numbers of classes in configs of models, and the shapes that follow from them."""

import pytest
import torch
from torch import nn

from convnext_dense.weights.class_counts import (
    ClassShape,
    built_head_classes,
    built_panoptic_heads,
    count_trained_classes,
    head_classes,
    set_head_classes,
    stated_numbers,
    stated_stuff,
)


def test_every_head_is_found_whatever_its_kind_and_the_rpn_is_none():
    model = dict(
        rpn_head=dict(type='RPNHead', num_classes=1),
        roi_head=dict(bbox_head=[dict(num_classes=80, loss_cls=dict(type='SeesawLoss', num_classes=80)), {}]),
        panoptic_head=dict(num_things_classes=80, num_stuff_classes=53),
        fusion_head=dict(num_things_classes=80),
    )
    assert head_classes(model) == {
        'roi_head.bbox_head.0': 80,
        'roi_head.bbox_head.0.loss_cls': 80,
        'panoptic_head': 133,
        'fusion_head': 80,
    }
    set_head_classes(model, 3)
    assert set(head_classes(model).values()) == {3}
    assert model['panoptic_head'] == dict(num_things_classes=3, num_stuff_classes=0)
    assert model['fusion_head'] == dict(num_things_classes=3)
    assert model['rpn_head']['num_classes'] == 1
    assert head_classes(dict(num_classes=7)) == {'': 7}


@pytest.mark.parametrize(
    ('weights', 'expected'),
    [
        ([1.0] * 4 + [0.1], [1.0] * 2 + [0.1]),  # Mask2Former's: the last one is for no object
        ([1.0] * 4, [1.0] * 2),
        ([2.0] * 5, [2.0] * 3),
        ([1.0, 2.0, 1.0, 1.0], [1.0, 2.0, 1.0, 1.0]),  # chosen for these classes
        ([1.0] * 3, [1.0] * 3),  # of another number of classes, which is not for us to guess
        (0.5, 0.5),
        (None, None),
    ],
)
def test_class_weights_that_say_nothing_of_a_class_follow_the_number_of_classes(weights, expected):
    model = dict(decode_head=dict(num_classes=4, loss_decode=[dict(class_weight=weights)]))
    set_head_classes(model, 2)
    assert model['decode_head'] == dict(num_classes=2, loss_decode=[dict(class_weight=expected)])


def test_class_weights_of_a_panoptic_head_count_things_and_stuff():
    head = dict(num_things_classes=3, num_stuff_classes=2, loss_cls=dict(class_weight=[1.0] * 5 + [0.1]))
    set_head_classes(dict(panoptic_head=head), 4)
    assert head['loss_cls']['class_weight'] == [1.0] * 4 + [0.1]


def test_things_and_stuff_are_set_where_a_head_learns_both():
    weights = [1.0] * 133 + [0.1]
    model = dict(
        roi_head=dict(bbox_head=dict(num_classes=80, loss_cls=dict(class_weight=[1.0] * 81))),
        panoptic_head=dict(num_things_classes=80, num_stuff_classes=53, loss_cls=dict(class_weight=weights)),
        semantic_head=dict(num_things_classes=80, num_stuff_classes=53, num_classes=133),
        panoptic_fusion_head=dict(num_things_classes=80),  # whose default is COCO's stuff
        other_head=dict(num_stuff_classes=53),
    )
    assert stated_stuff(model) == 53
    chosen = dict(panoptic_head=dict(num_stuff_classes=4), roi_head=dict(bbox_head=dict(num_classes=3)))
    assert list(stated_numbers(chosen, 5, 2)) == [('num_stuff_classes', 4, 2), ('num_classes', 3, 3)]
    set_head_classes(model, 5, stuff=2)
    both = dict(num_things_classes=3, num_stuff_classes=2)
    assert model == dict(
        roi_head=dict(bbox_head=dict(num_classes=3, loss_cls=dict(class_weight=[1.0] * 4))),
        panoptic_head=dict(both, loss_cls=dict(class_weight=[1.0] * 5 + [0.1])),
        semantic_head=dict(both, num_classes=5),
        panoptic_fusion_head=both,
        other_head=both,
    )


def test_heads_of_a_built_model_tell_things_and_stuff():
    model = nn.Module()
    model.panoptic_head, model.bbox_head = nn.Module(), nn.Module()
    model.panoptic_head.num_things_classes, model.panoptic_head.num_stuff_classes = 3, 0
    model.bbox_head.num_classes = 3
    assert built_panoptic_heads(model) == {'panoptic_head': (3, 0)}


@pytest.mark.parametrize(
    ('fixed', 'per_class', 'shape', 'count'),
    [
        ((1, 9), (1, 0), (8, 9), 7),  # a row for the background
        ((0, 9), (12, 0), (36, 9), 3),  # boxes of three anchors
        ((0, 9), (12, 0), (37, 9), None),
        ((1, 9), (1, 0), (8, 10), None),  # another width
        ((1, 9), (1, 0), (1, 9), None),
        ((2, 0), (0, 1), (2, 5), 5),
        ((1, 9), (1, 0), (8,), None),
    ],
)
def test_a_shape_has_one_number_of_classes_or_none(fixed, per_class, shape, count):
    assert ClassShape(fixed, per_class).classes_in(shape) == count


def test_the_rule_of_a_shape_follows_from_two_numbers_of_classes():
    rule = ClassShape.between((4 * 5 + 1, 9), 5, (4 * 6 + 1, 9))
    assert rule == ((1, 9), (4, 0))


def test_most_of_the_tensors_decide():
    rule = ClassShape((1, 9), (1, 0))
    state = {'a': torch.zeros(8, 9), 'b': torch.zeros(8, 9), 'c': torch.zeros(5, 9), 'd': torch.zeros(5)}
    assert count_trained_classes(dict.fromkeys('abcde', rule), state) == 7
    assert count_trained_classes({'e': rule}, state) is None
    assert count_trained_classes({}, state) is None


def test_heads_of_a_built_model_count_for_themselves():
    model = nn.Module()
    model.rpn_head, model.bbox_head, model.neck = nn.Module(), nn.Module(), nn.Module()
    model.rpn_head.num_classes, model.bbox_head.num_classes = 1, 80
    assert built_head_classes(model) == {'bbox_head': 80}


@pytest.mark.parametrize('place', ['backbone', 'backbone_2', 'neck', 'data_preprocessor', 'teacher', 'teacher_model'])
def test_networks_in_other_parts_have_a_number_of_their_own(place):
    model = nn.Module()
    model.decode_head, part = nn.Module(), nn.Module()
    model.decode_head.num_classes = 4
    part.model = nn.Module()
    part.model.num_classes = 0  # as timm's ViT with features_only
    model.add_module(place, part)
    assert built_head_classes(model) == {'decode_head': 4}
    model.decode_head.add_module('kernel_head', part)
    assert built_head_classes(model) == {'decode_head': 4, 'decode_head.kernel_head.model': 0}
