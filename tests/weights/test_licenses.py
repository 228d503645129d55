"""Licenses: found beside, inside and by the name of a file, and what they allow."""

import json
from pathlib import Path

import pytest
import timm

from convnext_dense.errors import UserError
from convnext_dense.weights.entries import timm_entry
from convnext_dense.weights.extraction import extract_weights
from convnext_dense.weights.licenses import (
    LICENSES,
    Origin,
    allows_commercial_use,
    check_commercial_use,
    describe_license,
    find_origin,
    license_note,
    pretrained,
    warn_of_license,
)
from convnext_dense.weights.loading import load_pretrained
from convnext_dense.weights.names import DISTILLED
from tests.helpers.small_classifier import classifier, official, save

V2 = Origin('convnextv2_tiny_1k_224_ema', 'cc-by-nc-4.0')


def test_every_license_in_timms_registry_is_known():
    tags = timm.list_models('*convnext*', pretrained=True)
    stated = {timm.models.get_pretrained_cfg(tag).license for tag in tags}
    assert stated == {'apache-2.0', 'cc-by-nc-4.0', 'dinov3-license', 'fair-noncommercial-research-license'}
    assert stated <= LICENSES.keys()
    assert all(timm_entry(tag).license == timm.models.get_pretrained_cfg(tag).license for tag in DISTILLED.values())


@pytest.mark.parametrize(
    ('license', 'allowed', 'says'),
    [
        ('mit', True, 'MIT'),
        ('Apache-2.0', True, 'Apache-2.0'),
        ('cc-by-nc-4.0', False, 'CC BY-NC 4.0 (no commercial use)'),
        ('fair-noncommercial-research-license', False, 'FAIR Noncommercial Research License (no commercial use)'),
        ('dinov3-license', True, 'DINOv3 License (commercial use on conditions: pass it on with the weights'),
        ('torchvision', None, 'none stated by torchvision (commercial use not settled: read it yourself)'),
        # which the table does not have
        ('cc-by-nc-sa-4.0', False, 'cc-by-nc-sa-4.0 (no commercial use)'),
        ('some-non-commercial-license', False, 'some-non-commercial-license (no commercial use)'),
        ('openrail', None, 'openrail (commercial use not settled: read it yourself)'),
    ],
)
def test_what_licenses_allow(license, allowed, says):
    assert allows_commercial_use(license) is allowed
    assert describe_license(license).startswith(says)
    if allowed is False:
        with pytest.raises(UserError, match=r'^--commercial: w.pth has the license .*: take other weights, as `conv'):
            check_commercial_use(Origin('w.pth', license))
    else:
        warning = check_commercial_use(Origin('w.pth', license))
        assert warning == (None if allowed else f'--commercial: the license of w.pth is {describe_license(license)}')


def test_what_is_unknown_is_warned_of_only_if_asked():
    unknown = Origin('w.pth', None)
    assert check_commercial_use(unknown) == '--commercial: the license of w.pth is unknown'
    assert license_note(unknown) == '' == license_note(None)
    assert warn_of_license(unknown) is None is warn_of_license(Origin('w.pth', 'mit'))
    assert check_commercial_use(None) is None  # trained here from random weights
    assert warn_of_license(V2) == 'license of convnextv2_tiny_1k_224_ema: CC BY-NC 4.0 (no commercial use)'


@pytest.mark.parametrize('origin', [V2, Origin('w.pth', None), None])
def test_a_checkpoint_keeps_where_its_weights_come_from(origin):
    meta = {'pretrained': pretrained(origin), 'cfg': "pretrained = 'convnextv2_base_1k_224_ema'\n"}
    assert find_origin(Path('convnextv2_atto_1k_224_ema.pt'), meta) == origin


def test_an_older_checkpoint_tells_it_by_its_config():
    meta = {'convnext_dense': '0.1', 'cfg': "task = 'x'\npretrained = 'convnextv2_base_1k_224_fcmae'\n"}
    assert find_origin(Path('epoch_3.pth'), meta) == Origin('convnextv2_base_1k_224_fcmae', 'cc-by-nc-4.0')
    assert find_origin(Path('epoch_3.pth'), {'cfg': "pretrained = 'w.pth'\n"}) == Origin('epoch_3.pth', None)


OURS = {'convnext_dense': '0.1'}


@pytest.mark.parametrize(
    ('cfg', 'origin'),
    [
        ("pretrained = '/data/convnextv2_atto_1k_224_fcmae.pt'", Origin('convnextv2_atto_1k_224_fcmae', V2.license)),
        ("pretrained = 'w/facebook--convnextv2-tiny-1k-224/model.safetensors'", V2._replace(source='hf')),
        ("pretrained = 'backbone.pth'", Origin('backbone.pth', None)),
        ('pretrained = None', None),
        ("pretrained = None\nload_from = 'mine.pth'", Origin('mine.pth', None)),
        ("pretrained = None\nload_from = 'w/epoch_2.pth'\nresume = True", None),  # its own
        (
            "pretrained = None\nmodel = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='b.pth')))",
            Origin('b.pth', None),
        ),
        ("task = 'x'", None),
    ],
)
def test_an_older_run_has_no_license_of_its_folder(tmp_path, cfg, origin):
    (tmp_path / 'README.md').write_text('---\nlicense: mit\n---\n')
    for name in ('epoch_3.pth', 'pytorch_model.bin'):
        found = find_origin(tmp_path / name, OURS | {'cfg': f'{cfg}\n'})
        if origin is not None and origin.source == 'hf':
            assert found.license == origin.license and found.source.startswith('hf:facebook/')
        else:
            assert found == origin


@pytest.mark.parametrize('name', ['README.md', 'config.json'])
def test_a_file_without_a_hubs_name_has_no_license_of_its_folder(tmp_path, name):
    texts = {
        'README.md': '---\nlicense: cc-by-nc-4.0\n---\n',
        'config.json': json.dumps({'pretrained_cfg': {'license': 'cc-by-nc-4.0'}}),
    }
    (tmp_path / name).write_text(texts[name])
    file = tmp_path / 'my_own_run.pth'
    assert find_origin(file, {}) == Origin(str(file), None)
    assert find_origin(tmp_path / 'pytorch_model.bin', {}).license == 'cc-by-nc-4.0'


@pytest.mark.parametrize('kept', ['w.pth', {}, {'source': 3}, {'source': 'x', 'license': 3}])
def test_a_strange_entry_is_no_license(kept):
    assert find_origin(Path('w.pth'), {'pretrained': kept}).license is None


@pytest.mark.parametrize(
    ('files', 'license'),
    [
        (
            {'config.json': json.dumps({'architecture': 'x', 'pretrained_cfg': {'license': 'CC-BY-NC-4.0'}})},
            'cc-by-nc-4.0',
        ),
        ({'config.json': json.dumps({'_name_or_path': 'facebook/convnextv2-tiny-1k-224'})}, 'cc-by-nc-4.0'),
        ({'config.json': json.dumps({'_name_or_path': '/home/me/x'})}, None),
        ({'config.json': '[1]', 'README.md': '---\nlicense: mit\ntags:\n- vision\n---\n# text\n'}, 'mit'),
        ({'README.md': '---\nlicense: other\nlicense_name: dinov3-license\n---\n'}, 'dinov3-license'),
        ({'README.md': "---\ntags: []\nlicense: 'cc-by-nc-4.0'\n---\n"}, 'cc-by-nc-4.0'),
        ({'README.md': 'license: mit\n'}, None),
        ({'README.md': ''}, None),
        ({}, None),
    ],
)
def test_files_beside_the_weights_tell_it(tmp_path, files, license):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert find_origin(tmp_path / 'model.safetensors', {}).license == license


def test_the_authors_license_holds_where_a_copys_card_has_another(tmp_path):
    folder = tmp_path / 'facebook--convnextv2-tiny-1k-224'
    folder.mkdir()
    (folder / 'README.md').write_text('---\nlicense: apache-2.0\n---\n')
    assert find_origin(folder / 'model.safetensors', {}).license == 'cc-by-nc-4.0'


def test_loading_says_it_at_the_end_of_its_line(tmp_path):
    model = classifier()
    line = load_pretrained(classifier(), save(official(model), tmp_path / 'convnextv2_atto_1k_224_ema.pt'))
    assert line.endswith('left over in the file: nothing; license CC BY-NC 4.0 (no commercial use)')
    line = load_pretrained(classifier(), save(official(model), tmp_path / 'mine.pth'))
    assert 'license' not in line


def test_extracted_weights_have_it(tmp_path):
    content = {'state_dict': classifier().state_dict(), 'meta': {'pretrained': pretrained(V2)}}
    found = extract_weights(content, tmp_path / 'w.pth')
    assert (found.origin, found.license) == (V2, V2.license)
    assert extract_weights({**content, 'meta': {'pretrained': None}}, tmp_path / 'w.pth').license is None
