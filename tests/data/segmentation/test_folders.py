"""Layouts of images and masks: each is found, and the label maps are those of the drawn scenes to the last pixel."""

import shutil

import pytest

from convnext_dense.data.segmentation.find import find_masks, find_source
from convnext_dense.data.segmentation.folders import find_folders, holds_masks
from convnext_dense.data.segmentation.options import AS_FOUND, MaskOptions
from convnext_dense.errors import UserError
from tests.helpers.layouts import touch
from tests.helpers.mask_layouts import (
    check_equals_scenes,
    scenes,
    write_colors,
    write_index,
    write_layout,
    write_names,
)

LAYOUTS = {
    'ADE20K': ('images/{long_split}/{name}.jpg', 'annotations/{long_split}/{name}.png'),
    'mmseg': ('img_dir/{split}/{name}.jpg', 'ann_dir/{split}/{name}.png'),
    'images and masks': ('images/{split}/{name}.jpg', 'masks/{split}/{name}.bmp'),
    'images and labels': ('images/{split}/{name}.jpg', 'labels/{split}/{name}.tif'),
    'subfolders': ('images/{split}/a/b/{name}.jpg', 'masks/{split}/a/b/{name}.gif'),
    'splits first': ('{split}/images/{name}.jpg', '{split}/masks/{name}.png'),
    'splits first, image and label': ('{split}/image/{name}.jpg', '{split}/label/{name}_label.png'),
    'Carvana': ('{split}/{name}.jpg', '{split}_masks/{name}_mask.gif'),
    'CamVid of SegNet': ('{split}/{name}.jpg', '{split}annot/{name}.png'),
    'CamVid of Kaggle': ('{split}/{name}.jpg', '{split}_labels/{name}_L.png'),
    'train_images': ('{split}_images/{name}.jpg', '{split}_masks/{name}.png'),
    'one folder, _mask': ('{split}/{name}.jpg', '{split}/{name}_mask.png'),
    'one folder, _label': ('{split}/{name}.jpg', '{split}/{name}_label.png'),
    'one folder, _seg': ('{split}/{name}.jpg', '{split}/{name}-seg.png'),
    'one folder, _gt': ('{split}/{name}.jpg', '{split}/{name}_gt.png'),
    'one folder, suffixes': ('{split}/{name}.jpg', '{split}/{name}.png'),
    'in no split': ('images/{name}.jpg', 'masks/{name}.png'),
    'in no split, one folder': ('{name}.jpg', '{name}_mask.png'),
    'CamVid itself': ('701_StillsRaw_full/{name}.jpg', 'LabeledApproved_full/{name}_L.png'),
    'fastai': ('images/{name}.jpg', 'labels/{name}_P.png'),
    'masks of all splits in one folder': ('images/{split}/{name}.jpg', 'masks/{name}.png'),
}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_layout_is_found_and_read_to_the_last_pixel(tmp_path, drawn, layout):
    root = write_layout(tmp_path, drawn, *LAYOUTS[layout], write_index)
    write_names(root, drawn)
    check_equals_scenes(root, drawn)
    line = find_source(root).line
    assert line == '' if layout == 'ADE20K' else line.startswith('images are in ')
    assert ('in no split' in line) == ('split}' not in LAYOUTS[layout][0])


def test_cities_and_endings_of_cityscapes(tmp_path, drawn):
    root = write_layout(
        tmp_path,
        drawn,
        'leftImg8bit/{split}/town/{name}_leftImg8bit.jpg',
        'gtFine/{split}/town/{name}_gtFine_labelTrainIds.png',
        write_index,
    )
    write_names(root, drawn)
    for file, labels in scenes(drawn, 'train'):
        write_index(root / f'gtFine/train/town/{file.stem}_gtFine_labelIds.png', labels * 0 + 7)
        write_colors(root / f'gtFine/train/town/{file.stem}_gtFine_color.png', labels)
    touch(root, 'gtFine/train/town/a_gtFine_polygons.json')
    check_equals_scenes(root, drawn, MaskOptions('index'), '_leftImg8bit')


def test_another_folder_is_taken_where_it_is_named(tmp_path, drawn):
    root = write_layout(tmp_path, drawn, 'images/{split}/{name}.jpg', 'gt_v2/{split}/{name}.png', write_index)
    write_names(root, drawn)
    assert find_source(root) is None
    check_equals_scenes(root, drawn, MaskOptions(folder='gt_v2'))


def test_two_folders_of_masks_are_asked_for(tmp_path, drawn):
    root = write_layout(tmp_path, drawn, 'images/{split}/{name}.jpg', 'annotations/{split}/{name}.png', write_index)
    write_names(root, drawn)
    write_layout(
        root, drawn, 'images/{split}/{name}.jpg', 'masks/{split}/{name}.png', lambda p, a: write_index(p, a * 0)
    )
    said = (
        r'2 folders of masks \(annotations/train, masks/train\): say which with --mask-folder annotations or --mask-fo'
    )
    with pytest.raises(UserError, match=said):
        find_masks(root, 'training')
    check_equals_scenes(root, drawn, MaskOptions(folder='annotations'))
    assert all(
        mask.startswith(f'{root}/masks/') for _, mask in find_masks(root, 'training', MaskOptions(folder='masks'))
    )


def test_text_files_and_drawings_are_no_masks(tmp_path, drawn):
    root = write_layout(tmp_path, drawn, 'images/{split}/{name}.jpg', 'masks/{split}/{name}.png', write_index)
    write_names(root, drawn)
    touch(root, 'labels/train/1.txt', 'annotations/train.json', 'labels/.hidden.png')
    assert not holds_masks(root / 'labels') and holds_masks(root / 'masks')
    shutil.copytree(root / 'images' / 'train', root / 'masks' / 'train', dirs_exist_ok=True)  # JPEGs of the same names
    check_equals_scenes(root, drawn)


@pytest.mark.parametrize(
    'files',
    [
        ('train/cat/1.jpg', 'val/cat/1.jpg'),
        ('images/train/1.jpg', 'labels/train/1.txt', 'data.yaml'),
        ('train/1.jpg', 'train/_annotations.coco.json'),
        ('train/a.jpg', 'train/b.jpg', 'train/c.jpg', 'train/c.png'),
    ],
)
def test_other_data_sets_have_no_masks(tmp_path, files):
    assert find_folders(touch(tmp_path, *files), AS_FOUND) is None
