"""Settings of how masks are read: those of the commands and of data sets are the same."""

import pytest

from convnext_dense.cli.arguments import MASK_FORMATS
from convnext_dense.cli.arguments import MASK_LABELS as CHOICES
from convnext_dense.data.formats import FORMATS
from convnext_dense.data.segmentation.options import AS_FOUND, MASK_LABELS, MaskOptions, check_options
from convnext_dense.data.segmentation.panoptic import PanopticSource
from convnext_dense.data.segmentation.sources import FolderSource
from convnext_dense.errors import UserError


def test_the_choices_of_the_commands_are_those_of_data_sets():
    assert CHOICES == MASK_LABELS
    assert (FolderSource.format, PanopticSource.format) == MASK_FORMATS and not set(MASK_FORMATS) & set(FORMATS)


def test_settings_are_read_from_a_config():
    assert MaskOptions.of({'root': 'a'}) == AS_FOUND
    dataset = {'mask_labels': 'color', 'mask_folder': 'gt', 'format': 'masks'}
    assert MaskOptions.of(dataset) == MaskOptions('color', 'gt', 'masks')


def test_a_kind_that_does_not_exist_is_named():
    with pytest.raises(UserError, match=r"mask_labels 'rgb' does not exist: take one of index, color, .*, 'auto'$"):
        check_options(MaskOptions('rgb'))
