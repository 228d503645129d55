"""Pages of TIFF files: one is chosen, and what is no page does not count."""

import numpy as np
import pytest
import tifffile

from convnext_dense.errors import UserError
from convnext_dense.io.images import read_rgb
from convnext_dense.io.opening import Opening
from convnext_dense.io.rasters import open_raster


def write(file, *sides, kinds=(), **options):
    """Write square pages of these sides, whose pixels are their numbers, with subfile types."""
    with tifffile.TiffWriter(file, **options) as writer:
        for number, side in enumerate(sides):
            kind = kinds[number] if kinds else 0
            page = np.full((side, side), number + 1 if kind < 4 else 1, bool if kind >= 4 else np.uint8)
            writer.write(page, subfiletype=kind, metadata=None, contiguous=False)
    return file


@pytest.mark.parametrize('options', [{}, {'bigtiff': True}, {'byteorder': '>'}, {'byteorder': '>', 'bigtiff': True}])
def test_pages_of_one_size_must_be_chosen(tmp_path, options):
    file = write(tmp_path / 'a.tif', 40, 40, 40, **options)
    line = r'^bad image .*a.tif \(it has 3 pages, the first of 40 x 40: choose one with --page NUMBER, from 1 to 3, or'
    for read in (open_raster, read_rgb):
        with pytest.raises(UserError, match=line):
            read(file)
        with pytest.raises(UserError, match='it has 3 pages, and --page 4 asks for another'):
            read(file, page=4) if read is open_raster else read(file, opening=Opening(4))
    for page in (1, 2, 3):
        assert (read_rgb(file, opening=Opening(page)) == page).all()
        with open_raster(file, page) as raster:
            assert (raster.read() == page).all()


@pytest.mark.parametrize(
    ('sides', 'kinds'), [((40, 40, 40), (0, 1, 4)), ((40, 20, 10), (0, 0, 0)), ((40, 80), (0, 1)), ((40, 40), (0, 5))]
)
def test_thumbnails_overviews_and_masks_are_no_pages(tmp_path, sides, kinds):
    file = write(tmp_path / 'a.tif', *sides, kinds=kinds)
    assert (read_rgb(file) == 1).all()
    with open_raster(file) as raster:
        assert raster.size == (40, 40) and (raster.read() == 1).all()


def test_a_larger_second_page_must_be_chosen(tmp_path):
    file = write(tmp_path / 'a.tif', 20, 40)
    with pytest.raises(UserError, match=r'it has 2 pages, .*: choose one with --page'):
        open_raster(file)
    with open_raster(file, 2) as raster:
        assert raster.size == (40, 40)


def test_pages_are_counted_without_the_others(tmp_path):
    file = write(tmp_path / 'a.tif', 40, 20, 40, 20, kinds=(0, 1, 0, 1))
    with open_raster(file, 2) as raster:
        assert (raster.read() == 3).all()


def test_color_of_16_bits_on_a_later_page(tmp_path):
    pages = np.stack([np.full((8, 8, 3), value, np.uint16) for value in (100, 65535)])
    tifffile.imwrite(tmp_path / 'a.tif', pages, photometric='rgb', metadata=None)
    assert (read_rgb(tmp_path / 'a.tif', opening=Opening(2), value_range=(0, 65535)) == 255).all()
    assert (read_rgb(tmp_path / 'a.tif', opening=Opening(1), value_range=(0, 65535)) == 0).all()


def test_what_follows_the_first_page_may_be_broken(tmp_path):
    file = write(tmp_path / 'a.tif', 40, 40)
    content = file.read_bytes()
    with tifffile.TiffFile(file) as tiff:
        second = tiff.pages[1].offset
    file.write_bytes(content.replace(second.to_bytes(4, 'little'), (1 << 31).to_bytes(4, 'little')))
    assert (read_rgb(file) == 1).all()
