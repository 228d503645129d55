"""Sizes of images, and their paths relative to a folder."""

from PIL import Image

from convnext_dense.data.formats.image_sizes import find_headers, relative


def test_sizes_are_upright_and_bad_images_have_none(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (8, 4)).save(tmp_path / 'a.png', exif=exif)
    (tmp_path / 'b.png').write_text('no image')
    header, bad = find_headers(['a.png', 'b.png'], tmp_path)
    assert header is not None and header.upright_size == (8, 4)
    assert bad is None


def test_paths_relative_to_a_folder(tmp_path):
    paths = [f'{tmp_path}/a/b.png', f'{tmp_path.parent}/c.png']
    assert relative(paths, tmp_path) == ['a/b.png', '../c.png']
