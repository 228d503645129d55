"""Conventions of boxes: read as given, and told apart by masks and images."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.detection.boxes import FORMATS, find_wrong_convention, overlap, read_box
from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.formats.base import Source
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from tests.helpers.coco_reading import flat, read

SIZE = ImageSize(200, 300)


def random_boxes(count: int = 60, seed: int = 0) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    w, h = rng.uniform(5, 140, count), rng.uniform(5, 90, count)
    x, y = rng.uniform(0, SIZE.width - w), rng.uniform(0, SIZE.height - h)
    return np.stack([x, y, w, h], axis=1).tolist()


WRITTEN = {
    'xywh': lambda x, y, w, h: [x, y, w, h],
    'xyxy': lambda x, y, w, h: [x, y, x + w, y + h],
    'cxcywh': lambda x, y, w, h: [x + w / 2, y + h / 2, w, h],
    'fractions': lambda x, y, w, h: [x / SIZE.width, y / SIZE.height, w / SIZE.width, h / SIZE.height],
}
SAID = {
    'xywh': None,
    'xyxy': 'probably corners [x1, y1, x2, y2]',
    'cxcywh': 'probably centers [x, y, width, height]',
    'fractions': 'numbers between 0 and 1, fractions of the image: multiply them',
}


@pytest.mark.parametrize('with_masks', [True, False])
@pytest.mark.parametrize('written', WRITTEN)
def test_a_convention_is_told_from_masks_or_images(written, with_masks):
    boxes = random_boxes()
    extents = [(x, y, x + w, y + h) if with_masks else None for x, y, w, h in boxes]
    wrong = find_wrong_convention([WRITTEN[written](*box) for box in boxes], extents, [SIZE] * len(boxes))
    if SAID[written] is None:
        assert wrong is None
    else:
        assert wrong.startswith(SAID[written])
        assert ('box_format=xyxy' in wrong, 'box_format=cxcywh' in wrong) == (written == 'xyxy', written == 'cxcywh')


@pytest.mark.parametrize('written', ['xywh', 'xyxy', 'cxcywh'])
def test_numbers_in_a_named_convention_are_read_alike(written):
    for box in random_boxes():
        assert read_box(WRITTEN[written](*box), written).box == pytest.approx(box)
        text = read_box([str(number) for number in WRITTEN[written](*box)], written)
        assert text.is_text and text.box == pytest.approx(box)
    assert list(FORMATS) == ['xywh', 'xyxy', 'cxcywh']


def test_masks_as_fractions_and_boxes_of_other_images():
    boxes = random_boxes()
    fractions = [(x / 300, y / 200, (x + w) / 300, (y + h) / 200) for x, y, w, h in boxes]
    assert 'the masks are fractions' in find_wrong_convention(boxes, fractions, [SIZE] * 60)
    large = [[3 * number for number in box] for box in boxes]
    corners = [(x, y, x + w, y + h) for x, y, w, h in large]
    for extents in (corners, [None] * 60):
        assert 'extend beyond them: were the images resized' in find_wrong_convention(large, extents, [SIZE] * 60)
    swapped = [(x, y, x + w, y + h) for x, y, w, h in random_boxes(seed=1)]
    assert 'not around their masks: ' in find_wrong_convention(boxes, swapped, [SIZE] * 60)


def test_what_is_right_is_not_suspected():
    """Large objects, sloppy masks, tiny objects, some boxes beyond the image, boxes without area."""
    centered = [[10, 10, 280, 180]] * 5
    assert find_wrong_convention(centered, [None] * 5, [SIZE] * 5) is None
    boxes = random_boxes()
    sloppy = [(x + 1.9, y - 1.9, x + w + 1, y + h - 1) for x, y, w, h in boxes]
    assert find_wrong_convention(boxes, sloppy, [SIZE] * 60) is None
    cut = [(x, y, x + w + 300, y + h + 300) for x, y, w, h in boxes]  # masks that go on where the image ends
    whole = [[x, y, SIZE.width - x, SIZE.height - y] for x, y, _, _ in boxes]
    assert find_wrong_convention(whole, cut, [SIZE] * 60) is None
    tiny = [[x, y, 2, 2] for x, y, _, _ in boxes]
    assert find_wrong_convention(tiny, [(x, y, x + 3, y + 3) for x, y, _, _ in tiny], [SIZE] * 60) is None
    for box in boxes[:15]:
        box[2] = 300
    assert find_wrong_convention(boxes, [None] * 60, [SIZE] * 60) is None
    assert find_wrong_convention([[0, 0, 0, 0]] * 3, [None] * 3, [SIZE] * 3) is None
    assert find_wrong_convention([], [], []) is None


def rewrite(data: dict, kind: str, with_masks: bool) -> None:
    for annotation in data['annotations']:
        x, y, w, h = annotation['bbox']
        annotation['bbox'] = WRITTEN[kind](x, y, w, h)
        if not with_masks:
            del annotation['segmentation']


@pytest.mark.parametrize('with_masks', [True, False])
@pytest.mark.parametrize('kind', ['xyxy', 'cxcywh'])
def test_a_file_in_another_convention_is_refused_unless_it_is_named(tmp_path, data, kind, with_masks):
    expected = {number: a['bbox'] for number, a in flat(read(tmp_path, data)).items()}
    rewrite(data, kind, with_masks)
    with pytest.raises(UserError, match=r'instances_train2017.json: its boxes are probably ') as error:
        read(tmp_path, data)
    options = [f'{split}_dataloader.dataset.box_format={kind}' for split in ('train', 'val', 'test')]
    assert f'--cfg-options {" ".join(options)}' in str(error.value)
    coco = read(tmp_path, data, box_format=kind)
    assert {number: a['bbox'] for number, a in flat(coco).items()} == expected
    assert coco.has_masks is with_masks
    assert all(f.message.startswith('fixed: area') for f in coco.faults)


def test_a_convention_that_is_named_is_not_checked_and_others_do_not_exist(tmp_path, data):
    rewrite(data, 'fractions', True)
    with pytest.raises(UserError, match='numbers between 0 and 1'):
        read(tmp_path, data)
    assert len(flat(read(tmp_path, data, box_format='xywh'))) == 6
    with pytest.raises(UserError, match="box_format 'yxyx' does not exist: take one of xywh, xyxy, cxcywh"):
        read(tmp_path, data, box_format='yxyx')


def test_overlap():
    assert overlap((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert overlap((0, 0, 2, 2), (5, 5, 6, 6)) == overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0


@pytest.mark.parametrize('kind', FORMATS)
def test_the_convention_of_another_format_than_coco_cannot_be_set(tmp_path, kind):
    (tmp_path / 'a.csv').write_text('filename,class,xmin,ymin,xmax,ymax\na.png,cat,1,2,3,4\n')
    Image.new('RGB', (9, 9)).save(tmp_path / 'a.png')
    source = Source(tmp_path / 'a.csv', tmp_path, 'csv')
    with pytest.raises(UserError, match=f"a.csv: box_format is '{kind}', and CSV itself says how its boxes") as error:
        read_coco(source, kind)
    assert '\n' not in str(error.value)
    assert flat(read_coco(source))[1]['bbox'] == [1, 2, 2, 2]


def test_what_cannot_be_set_is_not_offered(tmp_path):
    rows = ''.join(f'a.png,cat,{x},{x},{x + 9},{x + 9}\n' for x in range(60, 90))
    (tmp_path / 'a.csv').write_text(f'filename,class,x,y,width,height\n{rows}')
    Image.new('RGB', (100, 100)).save(tmp_path / 'a.png')
    with pytest.raises(UserError, match=r'its boxes are probably corners .*: correct them$'):
        read_coco(Source(tmp_path / 'a.csv', tmp_path, 'csv'))
