"""Model cards, as Hugging Face reads them."""

import pytest
from huggingface_hub import ModelCard

from convnext_dense.export.hub.folder import is_edited
from convnext_dense.export.hub.model import shared_model
from convnext_dense.export.hub.model_card import model_card
from convnext_dense.weights.extraction import extract_weights
from convnext_dense.weights.licenses import Origin, describe_license
from convnext_dense.weights.preprocessing import Preprocessing
from tests.helpers.small_classifier import classifier


def card(
    layout: str = 'timm', place: str = 'me/shapes', license: str | None = None, classes: int = 3, **facts: object
) -> str:
    names = [f'class {k}' for k in range(classes)]
    content = {'state_dict': classifier(classes).state_dict(), 'meta': {'dataset_meta': {'classes': names}}}
    weights = extract_weights(content, 'x.pth')._replace(origin=Origin('x', license))
    images = Preprocessing((0.5,) * 3, (0.25,) * 3, (256, 256), 0.9, source='the config')
    return model_card(shared_model(weights, images, results={'top1': 81.234}, **facts), layout, place)


def test_metadata():
    data = ModelCard(card()).data.to_dict()
    assert [data[key] for key in ('library_name', 'pipeline_tag', 'metrics')] == [
        *('timm', 'image-classification', ['accuracy'])
    ]
    assert 'convnext' in data['tags'] and data.get('license') is None
    assert ModelCard(card('hf')).data.to_dict()['library_name'] == 'transformers'


@pytest.mark.parametrize(
    ('license', 'expected'),
    [
        ('mit', ('mit', None)),
        ('cc-by-nc-4.0', ('cc-by-nc-4.0', None)),
        ('dinov3-license', ('other', 'dinov3-license')),
    ],
)
def test_licenses_go_by_the_names_that_hugging_face_knows(license, expected):
    data = ModelCard(card(license=license)).data
    assert (data.license, data.get('license_name')) == expected
    assert f'License: {describe_license(license)}, of the weights' in card(license=license)


def test_the_page_says_how_to_load_it_and_what_it_takes():
    text = card()
    assert not is_edited(text)
    assert "timm.create_model('hf-hub:me/shapes', pretrained=True)" in text and '# shapes\n' in text
    assert '256 x 256 pixels' in text and 'mean (0.5, 0.5, 0.5), std (0.25, 0.25, 0.25)' in text
    assert '| top1 | 81.23 |' in text and 'class 0, class 1, class 2' in text
    assert "'local-dir:./out'" in card(place='./out')
    assert "ConvNextForImageClassification.from_pretrained('me/shapes')" in card('hf')
    assert 'class 49 and 10 more' in card(classes=60)
    assert 'Values from 0 to 4095 are scaled to 0 to 255' in card(value_range=(0, 4095))


@pytest.mark.parametrize('layout', ['timm', 'hf'])
def test_its_code_is_python(layout):
    code = card(layout).split('```python\n')[1].split('```')[0]
    compile(code, 'card', 'exec')
