"""mmengine's list of all parameters in the log file."""

import logging

from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import nn

from convnext_dense.compat.mmengine_parameter_list import without_parameter_list
from tests.helpers.run_tool import train


class Small(BaseModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)


def test_mmengine_still_writes_it_and_not_in_the_block(tmp_path):
    logger = MMLogger.get_instance('parameters', log_file=str(tmp_path / 'log'), log_level=logging.INFO)
    MMLogger._instance_dict['parameters'] = logger
    with without_parameter_list():
        Small().init_weights()
    assert 'same before and after' not in (tmp_path / 'log').read_text()
    Small().init_weights()
    assert (tmp_path / 'log').read_text().count('The value is the same before and after calling `init_weights`') == 2


def test_the_log_of_a_run_lists_no_parameters(image_folder, tmp_path):
    assert train(image_folder, tmp_path, '--epochs', '1', options=('model.mixup=None',)) == 0
    (log,) = tmp_path.glob('*/*.log')
    text = log.read_text()
    assert 'init_weights' not in text and 'NormalInit' not in text
    assert 'total batch' in text
