"""The part of a source that a data set has, by a rule or as a run keeps it."""

import json
from pathlib import Path

import pytest

from convnext_dense.data.splits import SplitRule
from convnext_dense.data.subset import FILE_NAME, make_split, read_split, select, write_split
from convnext_dense.errors import UserError

NAMES = [f'{name}/{number}.jpg' for name in ('cat', 'dog') for number in range(10)]
LABELS = [(name[:3],) for name in NAMES]
RULE = SplitRule(0.2)


@pytest.fixture
def kept(tmp_path):
    write_split(tmp_path, make_split(RULE, '/data', NAMES, LABELS))
    return str(tmp_path / FILE_NAME)


def test_two_parts_by_a_rule_are_disjoint_and_all():
    train, val = (select({'share': 0.2, 'part': part}, '/data', NAMES, LABELS) for part in ('train', 'val'))
    assert sorted(train.indices + val.indices) == list(range(20)) and len(val.indices) == 4
    assert train.indices == sorted(train.indices) and train.split == val.split and not train.notes + val.notes
    assert train.split.line == 'split: 16 images for training, 4 for validation (20.0%), by name, seed 0'


def test_a_split_is_read_as_it_was_written(kept):
    made = make_split(SplitRule(None, 5, 2, group='r(s?)'), '/d', ['ars/\u00e9 1.jpg', *NAMES], [(), *LABELS])
    write_split(kept.removesuffix(FILE_NAME), made)
    assert read_split(kept) == made


def test_the_digest_is_of_the_parts():
    made = [
        make_split(SplitRule(0.2), folder, names, [(n[:3],) for n in names])
        for folder, names in (('/a', NAMES), ('/b', NAMES[::-1]), ('/a', [*NAMES, 'cat/new.jpg']))
    ]
    assert made[0].digest == made[1].digest != made[2].digest
    swapped = made[0]._replace(names={'train': made[0].names['val'], 'val': made[0].names['train']})
    assert swapped.digest != made[0].digest


def test_the_line_names_groups_and_classes_without_an_image():
    names, labels = [*NAMES, 'eel/1.jpg', 'odd.jpg'], [*LABELS, ('eel',), ('cat',)]
    line = make_split(SplitRule(0.2, group=r'\w+/\d'), '/d', names, labels).line
    assert 'in 22 groups, of which 1 are images in whose name the expression finds nothing' in line
    assert line.endswith('; without an image in validation: eel')
    folds = [make_split(SplitRule(None, 2, fold), '/d', names, labels).line for fold in (0, 1)]
    assert sum(line.endswith('; without an image in training: eel') for line in folds) == 1
    assert 'fold 1 of 2 (0 to 1)' in folds[1]


def test_a_kept_split_leaves_new_images_out_and_counts_the_gone_ones(kept):
    split = read_split(kept)
    gone = {split.names['val'][0], *split.names['train'][:2]}
    names = [name for name in NAMES if name not in gone] + ['cat/new.jpg', 'dog/new.jpg']
    labels = [(name[:3],) for name in names]
    setting = {'share': 0.2, 'file': kept}
    train, val = (select({**setting, 'part': part}, '/data', names, labels) for part in ('train', 'val'))
    assert {names[index] for index in train.indices} == set(split.names['train']) - gone
    assert {names[index] for index in val.indices} == set(split.names['val']) - gone
    assert [note.split(',')[0] for note in train.notes] == [
        '2 of 19 images in /data left out',
        f'2 of 16 images for train in {kept} are gone: {split.names["train"][0]}',
    ]
    assert val.notes[1].startswith(f'1 of 4 images for val in {kept} are gone: ')
    assert val.split == split  # as it was, so that it can be kept further


def test_another_rule_than_the_kept_one_is_refused(kept):
    for setting in ({'share': 0.3}, {'share': 0.2, 'seed': 1}, {'folds': 5, 'fold': 0}, {'share': 0.2, 'group': 'a'}):
        with pytest.raises(UserError, match=f'{FILE_NAME} has the split --val-split 0.2, and now --.* is given'):
            select({**setting, 'part': 'val', 'file': kept}, '/data', NAMES, LABELS)


def test_a_kept_split_does_not_hold_for_other_images(kept):
    others = [f'x/{number}.jpg' for number in range(7)] + NAMES[:3]
    labels = [('cat',)] * 10
    tested = select({'share': 0.2, 'part': 'val', 'file': kept, 'or_all': True}, '/other', others, labels)
    assert tested.indices == list(range(10)) and tested.split is None
    assert tested.notes == [
        '/other has 3 of the 20 images of the run: its split does not hold here, all 10 images are taken'
    ]
    with pytest.raises(
        UserError, match=r'3 of the 20 images in .* are in /other: name the data set of the run with --d'
    ):
        select({'share': 0.2, 'part': 'train', 'file': kept}, '/other', others, labels)


def test_other_data_are_taken_whole_unless_they_have_all_images_of_the_split(kept):
    """A test of a run that was split, on data that may be others."""
    setting = {'share': 0.2, 'part': 'val', 'or_all': True}
    held_out = read_split(kept).names['val']

    def tested(folder: str, names: list[str], **more: str) -> tuple[list[str], str]:
        selected = select({**setting, **more}, folder, names, [(name[:3],) for name in names])
        assert (selected.split is None) == (len(selected.indices) == len(names))
        return [names[index] for index in selected.indices], ' '.join(selected.notes)

    assert tested('/data', NAMES, file=kept) == (held_out, '')
    names, said = tested('/moved', NAMES, file=kept)
    assert names == held_out and said.startswith('the images in /moved have the names in ')
    assert f'names in {kept}, of images in /data: they are taken for the same' in said
    for other in (NAMES[1:], [*NAMES[1:], 'cat/new.jpg']):
        names, said = tested('/moved', other, file=kept)
        assert (
            names == other
            and f'has 19 of the 20 images of the run: its split does not hold here, all {len(other)} ' in said
        )
    gone = held_out[0]
    names, said = tested('/data', [name for name in NAMES if name != gone], file=kept)  # the same folder
    assert names == held_out[1:] and f'1 of 4 images for val in {kept} are gone: {gone}' in said
    names, said = tested('/data', NAMES)  # the checkpoint was copied without the split
    assert names == NAMES and said.startswith(
        'there is no split.json of the run, by whose split its images were chosen'
    )
    assert 'all 20 images of /data are taken; --val-split 0.2 takes those' in said


def test_flags_split_other_data_anew(kept):
    others = [f'x/{number}.jpg' for number in range(10)]
    tested = select({'share': 0.3, 'part': 'val', 'file': kept}, '/other', others, [('x',)] * 10)
    assert len(tested.indices) == 3 and tested.split.folder == '/other'
    assert tested.notes == [
        '/other has 0 of the 20 images of the run: its split does not hold here, the images are split anew by '
        '--val-split 0.3'
    ]


def test_the_folder_of_a_split_is_its_real_path(tmp_path, monkeypatch):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'link').symlink_to('data')
    monkeypatch.chdir(tmp_path)
    assert make_split(RULE, 'link', NAMES, LABELS).folder == str((tmp_path / 'data').resolve())


@pytest.mark.parametrize('text', ['', '{}', '[1]', '{"rule": {"share": 2}, "names": {"train": [], "val": []}}'])
def test_a_broken_file_is_an_error_in_one_line(kept, text):
    with open(kept, 'w') as file:
        file.write(text)
    with pytest.raises(UserError) as error:
        read_split(kept)
    assert '\n' not in str(error.value)


def test_the_file_has_the_rule_and_the_names(kept):
    content = json.loads(Path(kept).read_text())
    assert content['rule'] == {'share': 0.2, 'seed': 0} and content['folder'] == '/data'
    assert content['counts'] == {'cat': {'train': 8, 'val': 2}, 'dog': {'train': 8, 'val': 2}}
    assert len(content['names']['train']) == 16


def test_parts_have_known_names():
    with pytest.raises(UserError, match="subset of a data set has the part 'test': take one of train, val"):
        select({'share': 0.2, 'part': 'test'}, '/data', NAMES, LABELS)
