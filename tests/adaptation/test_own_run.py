"""The weights of an own run, and those of timm in their place."""

import timm

from convnext_dense.adaptation.own_run import find_own_run, timm_weights_for


def test_the_checkpoint_of_an_own_run_tells_its_config_and_timm_has_the_same_network():
    assert find_own_run('work_dirs/convnext_a/epoch_300.pth') == 'configs/classification/convnext_a.py'
    assert timm_weights_for('work_dirs/convnext_a/epoch_300.pth') == 'timm:convnext_atto.d2_in1k'
    assert 'convnext_atto.d2_in1k' in timm.list_pretrained('convnext_atto*')


def test_other_weights_are_of_no_own_run():
    for other in (None, 'convnext_tiny_1k_224', 'work_dirs/mine/epoch_3.pth', 'work_dirs/convnext_a', 'epoch_300.pth'):
        assert find_own_run(other) is timm_weights_for(other) is None
