"""Packages that are missing are named with the command that installs them."""

import sys

import numpy as np
import pytest
import tifffile

from convnext_dense.errors import UserError
from convnext_dense.io.rasters import open_raster, packages


def test_tifffile_is_needed_for_tiffs_alone(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / 'a.tif', np.zeros((8, 8, 5), np.float32), planarconfig='contig')
    np.save(tmp_path / 'a.npy', np.zeros((8, 8)))
    monkeypatch.setitem(sys.modules, 'tifffile', None)
    with pytest.raises(UserError, match=r"need the tifffile package: pip install 'tifffile' 'imagecodecs'\)$"):
        open_raster(tmp_path / 'a.tif')
    open_raster(tmp_path / 'a.npy').close()


def test_a_missing_codec_is_named(monkeypatch):
    error = ValueError("<COMPRESSION.ZSTD: 50000> requires the 'imagecodecs' package")
    assert packages.explain_missing_codec(error) is error  # it is there, and the reason is another
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    said = "its compression needs the imagecodecs package: pip install 'tifffile' 'imagecodecs'"
    assert str(packages.explain_missing_codec(error)) == said
    other = ValueError('broken')
    assert packages.explain_missing_codec(other) is other
