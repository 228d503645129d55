"""The choice of classes: what becomes of names, beside a reference by its words, and what contradicts itself."""

import shlex

import numpy as np
import pytest

from convnext_dense.cli.main import build_parser
from convnext_dense.data.class_choice import (
    IGNORED,
    LEFT_OUT,
    ClassChoice,
    Merge,
    as_choice,
    choice_of_flags,
    describe_choice,
    parse_merge,
    parse_names,
)
from convnext_dense.errors import UserError

OWN = ['person', 'car', 'truck', 'dog', 'traffic light', 'bus']
VEHICLES = Merge(('car', 'truck'), 'vehicle')


def reference(own: list[str], classes, merge, ignore) -> dict[str, str | None]:
    """The final name of each class, None for one that is ignored, and no entry for one that is left out."""
    final = {}
    for name in own:
        for sources, target in merge:
            if name in sources:
                name_now = target
                break
        else:
            name_now = name
        if name_now in ignore:
            final[name] = None
        elif not classes or name_now in classes:
            final[name] = name_now
    return final


def drawn_choice(rng: np.random.Generator) -> ClassChoice:
    """A choice that contradicts nothing: parts of a shuffled list of names."""
    names = rng.permutation(OWN).tolist()
    merge = []
    for _ in range(rng.integers(3)):
        sources = [names.pop() for _ in range(rng.integers(1, 3))]
        into = rng.choice([f'new {len(merge)}', *(sources if len(sources) > 1 else []), *names[:1]])
        merge.append(Merge(tuple(sources), str(into)))
    after = list(dict.fromkeys([*names, *(one.into for one in merge)]))
    rng.shuffle(after)
    cut = int(rng.integers(len(after)))
    ignore, rest = after[:cut][:2], after[cut:]
    classes = rest[: rng.integers(1, len(rest) + 1)] if rng.random() < 0.6 else []
    return ClassChoice(tuple(classes), tuple(merge), tuple(ignore))


def test_labels_are_those_of_a_reference_for_many_choices():
    rng, seen = np.random.default_rng(0), set()
    for _ in range(400):
        choice = drawn_choice(rng)
        choice.check(OWN, 'x')
        chosen = choice.apply(OWN)
        final = reference(OWN, choice.classes, choice.merge, choice.ignore)
        for name, label in zip(OWN, chosen.labels, strict=True):
            if name not in final:
                assert label == LEFT_OUT
            elif final[name] is None:
                assert label == IGNORED
            else:
                assert chosen.names[label] == final[name]
        in_order = dict.fromkeys(name for name in final.values() if name is not None)
        assert list(chosen.names) == list(choice.classes or in_order)
        seen |= {min(chosen.labels), len(choice.merge), 10 + len(choice.ignore)}
        assert as_choice(choice.as_config()) == (choice if choice.as_config() else None)
        assert of_command(str(choice)) == (choice if str(choice) else None)
    assert seen >= {LEFT_OUT, IGNORED, 0, 1, 2, 10, 11, 12}


def of_command(flags: str) -> ClassChoice | None:
    args = build_parser('train').parse_args(['config.py', *shlex.split(flags)])
    return choice_of_flags(args.classes, args.merge, args.ignore_classes)


def test_a_merged_class_stands_at_the_place_of_the_first_or_where_classes_names_it():
    assert ClassChoice(merge=(VEHICLES,)).apply(OWN) == (
        ('person', 'vehicle', 'dog', 'traffic light', 'bus'),
        (0, 1, 1, 2, 3, 4),
    )
    into_bus = ClassChoice(('bus', 'person'), (Merge(('car', 'truck'), 'bus'),), ('dog',))
    assert into_bus.apply(OWN) == (('bus', 'person'), (1, 0, 0, IGNORED, LEFT_OUT, 0))
    assert ClassChoice(merge=(VEHICLES,), ignore=('vehicle',)).apply(OWN[:3]) == (('person',), (0, IGNORED, IGNORED))
    # of a part of the data that lacks some
    assert into_bus.apply(['truck', 'cat']) == (('bus',), (0, LEFT_OUT))


@pytest.mark.parametrize(
    ('text', 'names'),
    [
        ('a,b', ('a', 'b')),
        (' a , traffic light ', ('a', 'traffic light')),
        ('"a, b",c', ('a, b', 'c')),
        ('"say ""hi""", " x"', ('say "hi"', ' x')),
        ("it's,π", ("it's", 'π')),
        ('1,2', ('1', '2')),
    ],
)
def test_names_of_a_flag(text, names):
    assert parse_names(text) == names
    written = str(ClassChoice(names))
    assert parse_names(shlex.split(written)[1]) == names


def test_names_of_a_file(tmp_path):
    file = tmp_path / 'names.txt'
    file.write_text('\ufeffcar\r\n\ntraffic light, red\n', encoding='utf-8')
    assert parse_names(f'@{file}') == ('car', 'traffic light, red')
    assert parse_merge(f'@{file}->thing') == Merge(('car', 'traffic light, red'), 'thing')
    file.write_text('\n')
    with pytest.raises(UserError, match='holds no name'):
        parse_names(f'@{file}')
    with pytest.raises(UserError, match=r'@none.txt: the file cannot be read \(No such file'):
        parse_names('@none.txt')
    file.write_bytes(b'\xff\xfe\xff')
    with pytest.raises(UserError, match='not UTF-8 text'):
        parse_names(f'@{file}')


def test_arrows_in_quotes_are_part_of_a_name():
    assert parse_merge('car, truck -> vehicle') == VEHICLES
    assert parse_merge('"a->b",c->"d->e"') == Merge(('a->b', 'c'), 'd->e')
    choice = ClassChoice(merge=(Merge(('a->b', '@c'), 'd, e'),))
    assert of_command(str(choice)) == choice


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (['--classes', 'a,,b'], "--classes: 'a,,b': a name is empty: write a,b"),
        (['--classes', ''], 'a name is empty'),
        (['--classes', '"a,b'], 'a quote is not closed'),
        (['--classes', 'a,b,a'], "--classes names 'a' twice: name it once"),
        (['--ignore-classes', 'a,a'], "--ignore-classes names 'a' twice"),
        (['--merge', 'a,b-'], 'in quotes: --merge "car,truck->vehicle"'),  # as a shell passes it on without quotes
        (['--merge', 'a->b->c'], 'write the classes, an arrow and a name'),
        (['--merge', 'a->b,c'], 'name one class after the arrow'),
        (['--merge', 'a->a'], "it joins nothing to 'a'"),
        (['--merge', 'b,->a'], 'a name is empty'),
        (['--merge', 'a->b', '--merge', 'a->c'], "--merge joins 'a' into 'b' and into 'c': name it once"),
        (['--merge', 'a,a->b'], "--merge joins 'a' twice"),
        (
            ['--merge', 'a->b', '--merge', 'b->c'],
            "--merge joins other classes to 'b', and 'b' to 'c': join all of them to 'c' in one --merge",
        ),
        (['--merge', 'a->b', '--classes', 'a'], "--classes names 'a', which --merge joins to 'b': name that"),
        (['--merge', 'a->b', '--ignore-classes', 'a'], "--ignore-classes names 'a', which --merge joins to 'b'"),
        (['--classes', 'a', '--ignore-classes', 'a'], "--classes and --ignore-classes both name 'a'"),
    ],
)
def test_contradictions_are_named_with_the_fix(flags, message):
    with pytest.raises(UserError) as error:
        of_command(shlex.join(flags))
    assert message in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('choice', 'message'),
    [
        (
            ClassChoice(('prson', 'car')),
            "--classes names 'prson' (did you mean 'person'?): there are 6 classes in my data: pe",
        ),
        (ClassChoice(('Dog',)), "'Dog' (did you mean 'dog'?)"),
        (ClassChoice(('zzz',)), "--classes names 'zzz': there are"),
        (ClassChoice(merge=(Merge(('car', 'lory'), 'vehicle'),)), "--merge names 'lory'"),
        (ClassChoice(('vehicles',), (VEHICLES,)), "--classes names 'vehicles' (did you mean 'vehicle'?)"),
        (ClassChoice(ignore=('bus ',)), "--ignore-classes names 'bus ' (did you mean 'bus'?)"),
        (ClassChoice(ignore=tuple(OWN)), '--ignore-classes leaves no class of the 6 in my data'),
    ],
)
def test_what_the_data_lack_is_named_with_the_nearest(choice, message):
    with pytest.raises(UserError) as error:
        choice.check(OWN, 'my data')
    assert message in str(error.value)


@pytest.mark.parametrize(
    'setting',
    [
        ['a'],
        {'class': ['a']},
        {'classes': 'a,b'},
        {'classes': [None]},
        {'classes': ['']},
        {'merge': 'a->b'},
        {'merge': ['a->b']},
        {'merge': [{'classes': ['a']}]},
        {'merge': [{'classes': ['a'], 'into': ['b']}]},
    ],
)
def test_a_setting_of_another_form_is_refused(setting):
    with pytest.raises(UserError, match='of a data set: give dict'):
        as_choice(setting)


def test_settings_without_a_choice():
    assert as_choice(None) is as_choice({}) is as_choice({'classes': [], 'merge': []}) is None
    assert as_choice({'classes': [1, 2]}) == ClassChoice(('1', '2'))  # as --cfg-options gives them
    assert choice_of_flags(None, None, None) is None


def test_the_line_counts_every_part():
    choice = ClassChoice(('vehicle', 'person'), (VEHICLES,), ('bus',))
    counts = dict(zip(range(6), (5, 10, 3, 7, 2, 4), strict=True))
    line = describe_choice(choice, OWN, lambda own: f'{sum(counts[i] for i in own)} things', 'go', 'stay')
    assert line == (
        "2 classes of 6 by choice (vehicle, person): 13 things of car, truck are 'vehicle'; 9 things of 2 classes "
        'that are not chosen (dog, traffic light) go; 4 things of 1 class that is ignored (bus) stay'
    )


@pytest.mark.parametrize(
    'other',
    [
        '--ignore-classes bus,dog --merge "car,truck->vehicle" --classes vehicle,person',
        '--classes "vehicle , person" --merge "truck->vehicle" --ignore-classes dog,bus --merge "car->vehicle"',
        '--classes vehicle,person --merge " truck, car -> vehicle" --ignore-classes bus,dog',
    ],
)
def test_choices_of_the_same_effect_are_equal(other):
    one = of_command('--classes vehicle,person --merge "car,truck->vehicle" --ignore-classes dog,bus')
    assert of_command(other) == one and hash(of_command(other)) == hash(one) and str(of_command(other)) == str(one)
    assert of_command(other.replace('vehicle,person', 'person,vehicle').replace('vehicle , p', 'p')) != one
