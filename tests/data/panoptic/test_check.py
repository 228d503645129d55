"""Reading panoptic files for a check."""

import json

import numpy as np
import pytest

from convnext_dense.data.check import NOTE, PROBLEM, WARNING, CheckResult, check_dataset
from convnext_dense.data.panoptic.check import read_panoptic_files
from convnext_dense.errors import NoData
from tests.helpers.findings import found
from tests.helpers.mask_folder import save
from tests.helpers.panoptic_files import CAT, CROWD, GRASS, SKY, as_colors, change, draw_ids, files_of, settings


def checked(root, workers: int = 1, **options) -> CheckResult:
    return check_dataset(
        read_panoptic_files({name: settings(root, name, **options) for name in ('train', 'val')}), workers
    )


def test_good_files_have_their_segments_counted(root):
    result = checked(root, workers=2)
    assert result.data.classes == ['cat', 'dog', 'sky', 'grass'] and result.data.unit == 'segments'
    assert result.data.thing_classes == ['cat', 'dog'] and result.data.stuff_classes == ['sky', 'grass']
    assert [counts.units.tolist() for counts in result.class_counts] == [[2, 2, 2, 2]] * 2
    assert [counts.images.tolist() for counts in result.class_counts] == [[2, 2, 2, 2]] * 2
    assert found(result, PROBLEM) == found(result, WARNING) == {}
    ids = np.stack([draw_ids(1), draw_ids(2)])
    parts = [np.isin(ids, one).mean() for one in ((CAT, 16_777_215), (SKY, GRASS), CROWD, 0)]
    names = ('things', 'stuff', 'crowds', 'unlabeled')
    said = ', '.join(f'{part:.1%} {name}' for part, name in zip(parts, names, strict=True))
    assert list(found(result, NOTE)) == [f'{split}: pixels: {said}' for split in ('train', 'val')]
    record = result.data.splits[0].images[0]
    segments = result.data.read_segments(record)
    np.testing.assert_array_equal(segments.ids, draw_ids(1))
    assert record.mask == str(files_of(root).segments / '001.png') and len(record.segments) == 5


def test_other_classes_than_in_train_are_named_with_the_flags(root):
    def leave_out_grass(content):
        content['categories'].pop()
        for annotation in content['annotations']:
            annotation['segments_info'] = [s for s in annotation['segments_info'] if s['category_id'] != 12]

    change(root, leave_out_grass)
    (problem,) = (finding for finding in checked(root).findings if 'categories differ' in finding.message)
    assert problem.split == 'val' and problem.message.startswith(
        'the categories differ: panoptic_val2017 has grass, where train has 3 categories: cat, dog, sky'
    )
    assert 'or give --classes cat,dog,sky' in f'{problem.message} {problem.fix}'


def test_png_files_that_do_not_fit_are_all_named(root):
    folder = files_of(root).segments
    save(folder / '001.png', as_colors(draw_ids(1)[:-1]))
    (folder / '002.png').write_bytes(b'PNG')
    result = checked(root)
    (finding,) = (finding for finding in result.findings if finding.level == PROBLEM)
    assert (finding.split, finding.message) == ('train', "2 PNG files that can't be used")
    assert [one.split('bad mask ')[1] for one in finding.items] == [
        f'{folder}/001.png (of another size than its image: 39 x 48, annotations: 40 x 48)',
        f'{folder}/002.png (not an image): restore it, or remove it with its image',
    ]
    assert [image[-7:] for image in finding.images] == ['001.jpg', '002.jpg']


def test_segments_that_one_of_both_files_lacks_and_wrong_areas_are_named(root):
    ids = draw_ids(2)
    change(root, lambda content: content['annotations'][0]['segments_info'].pop(0))
    ids[ids == CAT] = GRASS
    save(files_of(root).segments / '002.png', as_colors(ids))
    result = checked(root)
    (problem,) = (finding for finding in result.findings if finding.level == PROBLEM)
    sky = int((draw_ids(1) == SKY).sum())
    assert problem.items[0].endswith(f'001.png (with segments that the JSON file lacks: {sky} pixels of {SKY})')
    items = {
        finding.message: [item.split('/')[-1] for item in finding.items]
        for finding in result.findings
        if finding.level == WARNING
    }
    before, after = int((draw_ids(2) == GRASS).sum()), int((ids == GRASS).sum())
    assert items == {
        '1 segment without a pixel': [f'002.png: {CAT}'],
        '1 segment of another area than annotated': [f'002.png: {GRASS} ({after} pixels, annotations: {before})'],
    }


@pytest.mark.parametrize(
    ('edit', 'level', 'said'),
    [
        (lambda c: c['annotations'].pop(0), WARNING, 'train: 1 image left out: without annotation'),
        (lambda c: c['images'].pop(0), WARNING, 'train: 1 annotation left out: of an image that the file lacks'),
        (lambda c: c['images'][0].pop('height'), NOTE, 'train: 1 image fixed: without height and width'),
        (
            lambda c: c['annotations'][0].update(segments_info=[]),
            WARNING,
            'train: 1 image without a segment of a class',
        ),
        (
            lambda c: c['annotations'][0]['segments_info'][0].pop('area'),
            NOTE,
            'train: 1 segment without an area, coun',
        ),
        (
            lambda c: c['annotations'][0]['segments_info'][0].update(iscrowd=3),
            PROBLEM,
            'train: .*iscrowd 3: make it 0',
        ),
        (
            lambda c: c['categories'][0].update(name='horse'),
            PROBLEM,
            'val: the categories differ: .* has cat, and lack',
        ),
    ],
)
def test_faults_of_the_json_file_are_findings(root, edit, level, said):
    import re

    change(root, edit)
    assert any(re.match(said, message) for message in found(checked(root), level))


def test_what_training_leaves_out_is_said_and_choices_and_parts_count(root):
    def edit(content):
        content['annotations'][0]['segments_info'] = content['annotations'][0]['segments_info'][:1]

    change(root, edit)
    result = checked(root, filter_cfg=dict(filter_empty_gt=True))
    assert 'train: 1 image without a thing to learn, left out in training' in found(result, NOTE)
    assert [image.is_read for image in result.data.splits[0].images] == [False, True]
    result = checked(root, choice=dict(ignore=['sky', 'dog']))
    assert result.data.classes == ['cat', 'grass'] and result.class_counts[1].units.tolist() == [2, 2]
    assert any('2 classes that are ignored (sky, dog) are unlabeled' in message for message in found(result, NOTE))
    files = settings(root)
    sources = {part: {**files, 'subset': dict(share=0.5, part=part)} for part in ('train', 'val')}
    result = check_dataset(read_panoptic_files(sources), 1)
    assert [len(split.images) for split in result.data.splits] == [1, 1]
    assert sum(message.startswith(': split: 1 image for training') for message in found(result, NOTE)) == 1


def test_a_file_that_is_not_there(root):
    source = settings(root)
    with pytest.raises(NoData, match=r'no annotations at .*x\.json: give another root with --data PATH'):
        read_panoptic_files({'train': {**source, 'annotations': f'{root}/x.json'}})


def test_the_sample_has_no_problem(drawn):
    sources = {split: settings(drawn / 'coco', split) for split in ('train', 'val')}
    result = check_dataset(read_panoptic_files(sources), 1)
    assert found(result, PROBLEM) == {}
    assert not [message for message in found(result, WARNING) if 'without an example' not in message]
    content = json.loads((drawn / 'coco/annotations/panoptic_train2017.json').read_text())
    segments = [one for annotation in content['annotations'] for one in annotation['segments_info']]
    assert result.class_counts[0].units.sum() == sum(not one['iscrowd'] for one in segments)
