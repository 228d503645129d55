from convnext_dense.diagnosis.content import Gallery, Section, Text
from convnext_dense.diagnosis.findings.base import gallery_images, with_shown_images


def test_galleries_refer_to_the_images_that_are_shown():
    sections = [
        Section('errors', 'Errors', [Text('One.'), Gallery('Worst', [7, 3, 5], ['a', 'b', 'c'])]),
        Section('suspects', 'Suspects', [Gallery('Labels', [3], ['d'])]),
    ]
    assert gallery_images(sections) == [3, 5, 7]
    first, second = with_shown_images(sections, [3, 7])
    assert first.blocks == [Text('One.'), Gallery('Worst', [1, 0], ['a', 'b'])]
    assert second.blocks == [Gallery('Labels', [0], ['d'])]
    assert with_shown_images(sections, [3, 5, 7])[0].blocks[1].images == [2, 0, 1]
