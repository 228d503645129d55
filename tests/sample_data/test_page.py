"""Drawing on a page: what lies in front hides what is behind, in the image and in the labels."""

from convnext_dense.io.image_size import ImageSize
from convnext_dense.sample_data.page import Page
from convnext_dense.sample_data.pen import Pen, box


def test_what_lies_in_front_hides_what_is_behind() -> None:
    page = Page.blank(ImageSize(20, 20))
    for owner, x in ((1, 25), (2, 35)):
        pen = Pen.fitted(10)
        pen.fill(box(-1, -1, 1, 1), (owner, owner, owner), ink=0)
        assert page.put(pen, x, 30, owner) == pen.mask.sum() > 400
    assert page.owner[30, 20] == 1
    assert page.owner[30, 30] == 2, 'the later one'
    assert ((page.owner == 1).sum() < 250) & ((page.owner == 2).sum() > 400)
    assert (page.color == page.owner[..., None]).all(), 'the mask is what is seen'
