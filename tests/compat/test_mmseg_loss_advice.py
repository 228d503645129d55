"""mmseg's advice about a setting that the recipe chose."""

import warnings

import pytest
from mmseg.models.decode_heads import FCNHead
from mmseg.models.losses import CrossEntropyLoss

from convnext_dense.compat.mmseg_loss_advice import without_loss_advice
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from tests.helpers.small_models import write_config


def test_mmseg_still_advises_and_is_silent_in_the_block():
    with pytest.warns(UserWarning, match='Default ``avg_non_ignore`` is False'):
        CrossEntropyLoss()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter('always')
        with without_loss_advice():
            CrossEntropyLoss()
            warnings.warn('mine')
    assert [str(warning.message) for warning in seen] == ['mine']


@pytest.mark.filterwarnings('ignore:Default')
def test_mmseg_still_advises_one_output_for_two_classes():
    arguments = {'in_channels': 4, 'channels': 4, 'num_classes': 2, 'num_convs': 1}
    arguments['loss_decode'] = {'type': 'mmseg.CrossEntropyLoss'}  # whatever the default scope is
    with pytest.warns(UserWarning, match='For binary segmentation, we suggest using'):
        FCNHead(**arguments)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter('always')
        with without_loss_advice():
            FCNHead(**arguments)
    assert not seen


def test_a_segmentor_is_built_in_silence(tmp_path):
    cfg = read_config(str(write_config('segmentation', tmp_path)), data='sample', needs_data=False)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter('always')
        build_model(cfg)
    assert not [warning for warning in seen if 'avg_non_ignore' in str(warning.message)]
