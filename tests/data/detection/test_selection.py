"""The rules by which images and annotations are selected for training."""

from types import SimpleNamespace

from convnext_dense.data.detection.selection import is_object, select
from convnext_dense.io.image_size import ImageSize

PIPELINE = [dict(type='mmdet.Resize', scale=(1000, 600), keep_ratio=True)]


def image(number, height=100, width=200):
    return dict(id=number, file_name=f'{number}.jpg', height=height, width=width)


def annotation(number, width=10.0, height=20.0, **others):
    return dict(id=number, bbox=[0.0, 0.0, width, height], iscrowd=0, segmentation=[[0, 0, 1, 0, 1, 1]], **others)


def ids(of):
    return [one['id'] for one in of]


def test_without_rules_only_thin_boxes_are_left_out():
    coco = SimpleNamespace(
        images=[image(1), image(2), image(3, height=1)],
        annotations={
            1: [annotation(11), annotation(12, width=0.99), annotation(13, height=1.0)],
            2: [],
            3: [annotation(14, height=0.5)],
        },
    )
    selected = select(coco, None)
    assert ids(selected.images) == [1, 2, 3]
    assert {number: ids(of) for number, of in selected.annotations.items()} == {1: [11, 13], 2: [], 3: []}
    assert selected.thin_boxes == [12, 14]
    assert not (selected.empty or selected.small or selected.thin)


def test_each_image_is_left_out_by_the_first_rule_that_it_breaks():
    coco = SimpleNamespace(
        images=[image(1), image(2, 31, 900), image(3, 32, 900), image(4, 32, 1400), image(5, 31, 1400), image(6)],
        annotations={**{n: [annotation(10 + n)] for n in (1, 2, 3, 4, 5)}, 6: [annotation(16, width=0.5)]},
    )
    rules = dict(filter_empty_gt=True, min_size=32)
    selected = select(coco, rules, PIPELINE, 24)  # 32 x 1400 becomes 22.9 x 1000, 32 x 900 becomes 35.6 x 1000
    assert [ids(of) for of in (selected.images, selected.empty, selected.small, selected.thin)] == [
        [1, 3],
        [6],  # its only box is thinner than a pixel
        [2, 5],
        [4],
    ]
    assert ids(select(coco, rules, PIPELINE).images) == [1, 3, 4]  # anchors that reach over the border
    assert ids(select(coco, rules, (), 24).images) == [1, 3, 4]  # nothing is resized
    assert ids(select(coco, {}, PIPELINE, 24).images) == [1, 2, 3, 6]  # 31 x 900 becomes 34.4 x 1000
    tile = ImageSize(640, 640)  # 32 x 640 becomes 50 x 1000
    assert ids(select(coco, rules, PIPELINE, 24, tile=tile).images) == [1, 3, 4]


def test_ignore_regions_are_no_objects_and_crowds_are():
    plain, box = annotation(1), annotation(2)
    del box['segmentation']
    crowd, ignored = dict(box, iscrowd=1), annotation(3, ignored=True)
    assert [is_object(one, False) for one in (plain, box, crowd, ignored)] == [True, True, True, False]
    assert [is_object(one, True) for one in (plain, box, crowd, ignored)] == [True, False, True, False]
    coco = SimpleNamespace(images=[image(1), image(2)], annotations={1: [box], 2: [plain, ignored]})
    empty = [ids(select(coco, dict(filter_empty_gt=True), needs_masks=masks).empty) for masks in (False, True)]
    assert empty == [[], [1]]
