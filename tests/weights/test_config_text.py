"""Values in the text of a config."""

import pytest

from convnext_dense.weights.config_text import value_in_config

TEXT = "a = 1\nmodel = dict(task='inner')\ntask = 'segmentation'\nbad = open('x')\nlist = [1, 2]\n"


@pytest.mark.parametrize(
    ('key', 'value'),
    [('task', 'segmentation'), ('a', 1), ('list', [1, 2]), ('bad', None), ('model', None), ('absent', None)],
)
def test_literals_at_the_top_are_read_and_nothing_runs(key, value):
    assert value_in_config(TEXT, key) == value
