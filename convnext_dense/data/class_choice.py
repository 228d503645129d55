"""Choose the classes of a data set: join several to one, ignore some, and take some of the rest in an order.

The data stay as they are: every data set applies the choice to what it reads. Importing this imports nothing large.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import UserError
from .text import count_of, shortened

IGNORED, LEFT_OUT = -1, -2
"""Places, instead of a label, of the classes that are ignored and of those that are not chosen."""
FLAGS = '--classes, --merge and --ignore-classes'
MERGE_EXAMPLE = '--merge "car,truck->vehicle"'
NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",]*))\s*(,|$)')
ARROW = re.compile(r'->(?=(?:[^"]*"[^"]*")*[^"]*$)')  # outside of quotes


class Merge(NamedTuple):
    """Classes that are joined to one, which may be one of them or another class of the data."""

    classes: tuple[str, ...]
    into: str


class ChosenClasses(NamedTuple):
    """The classes of a data set after a choice."""

    names: tuple[str, ...]
    """Names of the classes by label, without those of the choice that this data set lacks."""
    labels: tuple[int, ...]
    """For each of the data set's own classes its label, an index into ``names``, or :data:`IGNORED` or
    :data:`LEFT_OUT`."""


@dataclass(frozen=True)
class ClassChoice:
    """A choice of classes by their exact names: first ``merge``, then ``ignore`` and ``classes``.

    Choices of the same effect are equal: only the order of ``classes`` matters.

    Args:
        classes: the classes in the order of their labels; empty for all, in the order of the data. A class that is
            merged from others stands at the place of the first of them.
        merge: classes that are joined to one.
        ignore: classes of which nothing is learned or measured.

    Raises:
        UserError: if a class is named where it contradicts what is named elsewhere.
    """

    classes: tuple[str, ...] = ()
    merge: tuple[Merge, ...] = ()
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        into: dict[str, str] = {}
        for one in self.merge:
            for name in one.classes:
                if name in into:
                    both = 'twice' if into[name] == one.into else f'into {into[name]!r} and into {one.into!r}'
                    raise UserError(f'--merge joins {name!r} {both}: name it once')
                into[name] = one.into
        chained = next((name for name in into if name != into[name] and name in into.values()), None)
        if chained is not None:
            raise UserError(
                f'--merge joins other classes to {chained!r}, and {chained!r} to {into[chained]!r}: '
                f'join all of them to {into[chained]!r} in one --merge'
            )
        for flag, names in (('--classes', self.classes), ('--ignore-classes', self.ignore)):
            repeated = next((name for name, times in Counter(names).items() if times > 1), None)
            if repeated is not None:
                raise UserError(f'{flag} names {repeated!r} twice: name it once')
            merged = next((name for name in names if into.get(name, name) != name), None)
            if merged is not None:
                raise UserError(f'{flag} names {merged!r}, which --merge joins to {into[merged]!r}: name that')
        both_ways = [name for name in self.classes if name in self.ignore]
        if both_ways:
            raise UserError(f'--classes and --ignore-classes both name {both_ways[0]!r}: leave it out of one')
        sources = {one: sorted(name for name in into if into[name] == one) for one in sorted(set(into.values()))}
        merge = tuple(Merge(tuple(names), one) for one, names in sources.items())
        object.__setattr__(self, 'merge', merge)  # choices of the same effect are equal
        object.__setattr__(self, 'ignore', tuple(sorted(self.ignore)))

    def apply(self, names: Sequence[str]) -> ChosenClasses:
        """Apply the choice to a data set's own classes, which may lack some that the choice names.

        Args:
            names: names of its classes.
        """
        into = self._into()
        joined = [into.get(name, name) for name in names]
        present = [name for name in dict.fromkeys(joined) if name not in self.ignore]
        chosen = [name for name in self.classes if name in present] if self.classes else present
        label_of = {name: label for label, name in enumerate(chosen)}
        labels = [IGNORED if name in self.ignore else label_of.get(name, LEFT_OUT) for name in joined]
        return ChosenClasses(tuple(chosen), tuple(labels))

    def check(self, names: Iterable[str], where: str) -> None:
        """Check that all that the choice names is there, and that it leaves a class.

        Args:
            names: names of the classes in all parts of the data.
            where: the data, for messages.

        Raises:
            UserError: if a class is unknown, with the nearest one, or if none is left.
        """
        own, into = list(dict.fromkeys(names)), self._into()
        joined = list(dict.fromkeys(into.get(name, name) for name in own))
        sources = [name for one in self.merge for name in one.classes]
        for flag, named, known in (
            ('--merge', sources, own),
            ('--classes', self.classes, joined),
            ('--ignore-classes', self.ignore, joined),
        ):
            unknown = [name for name in named if name not in known]
            if unknown:
                raise UserError(f'{flag} names {_with_nearest(unknown, known)}: {_listed(own, where)}')
        if not self.apply(own).names:
            raise UserError(f'--ignore-classes leaves no class of the {len(own)} in {where}: ignore fewer')

    def raw_names(self, name: str) -> list[str]:
        """Return the classes of the data that become a class: those merged into it, or itself alone."""
        return [raw for one in self.merge if one.into == name for raw in one.classes] or [name]

    def as_config(self) -> dict[str, Any]:
        """Return the setting ``choice`` of a data set; see :func:`as_choice`."""
        merge = [{'classes': list(one.classes), 'into': one.into} for one in self.merge]
        settings = {'classes': list(self.classes), 'merge': merge, 'ignore': list(self.ignore)}
        return {key: value for key, value in settings.items() if value}

    def __str__(self) -> str:
        """The choice as flags of a command."""
        arguments = ['--classes', _joined(self.classes)] if self.classes else []
        for one in self.merge:
            arguments += ['--merge', f'{_joined(one.classes)}->{_joined([one.into])}']
        arguments += ['--ignore-classes', _joined(self.ignore)] if self.ignore else []
        return shlex.join(arguments)

    def _into(self) -> dict[str, str]:
        return {name: one.into for one in self.merge for name in one.classes}


def as_choice(setting: ClassChoice | Mapping[str, Any] | None) -> ClassChoice | None:
    """Read the setting ``choice`` of a data set.

    Args:
        setting: a dict with ``classes``, a list of names; ``merge``, a list of ``dict(classes=[...], into=NAME)``; and
            ``ignore``, a list of names, as far as they are used.

    Returns:
        None if nothing is chosen.

    Raises:
        UserError: if it is something else, or contradicts itself.
    """
    if setting is None or isinstance(setting, ClassChoice):
        return setting
    if not isinstance(setting, Mapping) or setting.keys() - {'classes', 'merge', 'ignore'}:
        raise _not_a_choice(setting)
    merge = setting.get('merge') or []
    if not isinstance(merge, list | tuple):
        raise _not_a_choice(setting)
    merges = []
    for one in merge:
        if not isinstance(one, Mapping) or one.keys() != {'classes', 'into'}:
            raise _not_a_choice(setting)
        (into,) = _names([one['into']], setting)
        merges.append(Merge(_names(one['classes'], setting), into))
    classes, ignore = (_names(setting.get(key) or [], setting) for key in ('classes', 'ignore'))
    return ClassChoice(classes, tuple(merges), ignore) if classes or merges or ignore else None


def choice_of_flags(
    classes: Sequence[str] | None, merge: Sequence[Merge] | None, ignore: Sequence[str] | None
) -> ClassChoice | None:
    """Return the choice of the three flags; None if none of them is given."""
    if not classes and not merge and not ignore:
        return None
    return ClassChoice(tuple(classes or ()), tuple(merge or ()), tuple(ignore or ()))


def parse_names(text: str) -> tuple[str, ...]:
    """Parse names: ``a,b``, with quotes around a name with a comma; or those in a file, ``@names.txt``, one on a line.

    Raises:
        UserError: for an empty name, a quote without its end, and a file that can't be read.
    """
    if text.startswith('@'):
        return _read_names(Path(text[1:]))
    names, place = [], 0
    while True:
        found = NAME.match(text, place)
        if found is None:
            raise UserError(f'{text!r}: a quote is not closed, or something follows it: write "a, b",c')
        quoted, plain, end = found.groups()
        name = plain.strip() if quoted is None else quoted.replace('""', '"')
        if not name:
            raise UserError(f'{text!r}: a name is empty: write a,b')
        names.append(name)
        place = found.end()
        if not end:
            return tuple(names)


def parse_merge(text: str) -> Merge:
    """Parse ``car,truck->vehicle``, with names as :func:`parse_names` takes them.

    Raises:
        UserError: if it is something else.
    """
    parts = ARROW.split(text)
    if len(parts) != 2:
        raise UserError(f'{text!r}: write the classes, an arrow and a name, in quotes: {MERGE_EXAMPLE}')
    classes, into = parse_names(parts[0].strip()), parse_names(parts[1].strip())
    if len(into) != 1:
        raise UserError(f'{text!r}: name one class after the arrow: {MERGE_EXAMPLE}')
    if classes == into:
        raise UserError(f'{text!r}: it joins nothing to {into[0]!r}: {MERGE_EXAMPLE}')
    return Merge(classes, into[0])


def suggest_flags(others: Sequence[str], known: Sequence[str]) -> str:
    """Return flags by which data with classes that are not known have only known ones, as they are written in a shell.

    A class whose name is nearly that of a known one is merged into it, any other one is left out.

    Args:
        others: the classes that are not known, at least one.
        known: the known classes.
    """
    lower = {name.lower(): name for name in reversed(known)}
    near = {
        name: lower[found[0]]
        for name in others
        if (found := difflib.get_close_matches(name.strip().lower(), lower, n=1, cutoff=0.8))
    }
    merge = tuple(Merge(tuple(n for n in near if near[n] == into), into) for into in dict.fromkeys(near.values()))
    left_out = any(name not in near for name in others)
    return str(ClassChoice(tuple(known) if left_out else (), merge))


def describe_choice(
    choice: ClassChoice, own: Sequence[str], amount: Callable[[Sequence[int]], str], left_out: str, ignored: str
) -> str:
    """Say in a line what a choice makes of a data set.

    Args:
        choice: the choice.
        own: names of the data set's own classes.
        amount: function that says how much of the data is of some of them, given by their indices: ``'3 images'``.
        left_out: what becomes of classes that are not chosen: ``'are left out'``.
        ignored: what becomes of ignored classes.
    """
    chosen = choice.apply(own)
    parts = []
    for into in dict.fromkeys(one.into for one in choice.merge):
        raw = [label for label, name in enumerate(own) if name != into and name in choice.raw_names(into)]
        if raw:
            parts.append(f'{amount(raw)} of {shortened([own[label] for label in raw])} are {into!r}')
    others = {LEFT_OUT: ('that {} not chosen', left_out), IGNORED: ('that {} ignored', ignored)}
    for place, (which, effect) in others.items():
        of_place = [label for label, new in enumerate(chosen.labels) if new == place]
        if of_place:
            many = count_of(of_place, 'class', 'classes')
            which = which.format('is' if len(of_place) == 1 else 'are')
            names = shortened([own[label] for label in of_place])
            parts.append(f'{amount(of_place)} of {many} {which} ({names}) {effect}')
    found = f'{count_of(chosen.names, "class", "classes")} of {len(own)} by choice ({shortened(chosen.names)})'
    return f'{found}: {"; ".join(parts)}' if parts else found


def _names(value: Any, setting: Any) -> tuple[str, ...]:
    is_list = isinstance(value, list | tuple)
    if not is_list or not all(type(name) in (str, int, float) and name != '' for name in value):
        raise _not_a_choice(setting)
    return tuple(map(str, value))


def _not_a_choice(setting: Any) -> UserError:
    return UserError(
        f'choice={setting!r} of a data set: give dict(classes=[NAME, ...], '
        'merge=[dict(classes=[NAME, ...], into=NAME), ...], ignore=[NAME, ...]), or some of its keys'
    )


def _read_names(file: Path) -> tuple[str, ...]:
    try:
        lines = file.read_text(encoding='utf-8-sig').splitlines()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else 'not UTF-8 text'
        raise UserError(f'@{file}: the file cannot be read ({reason}): write a name on each line') from None
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise UserError(f'@{file}: the file holds no name: write one on each line')
    return names


def _joined(names: Iterable[str]) -> str:
    """Write names so that :func:`parse_names` reads them."""
    plain = re.compile(r'(?!@)[^\s",]([^",]*[^\s",])?')
    return ','.join(
        name if plain.fullmatch(name) and '->' not in name else '"' + name.replace('"', '""') + '"' for name in names
    )


def _with_nearest(unknown: Sequence[str], known: Sequence[str]) -> str:
    """List unknown names, each with the nearest known one."""
    lower = {name.lower(): name for name in reversed(known)}
    parts = []
    for name in unknown[:3]:
        near = difflib.get_close_matches(name.lower(), lower, n=1)
        parts.append(f'{name!r}' + (f' (did you mean {lower[near[0]]!r}?)' if near else ''))
    return ', '.join(parts) + (', ...' if len(unknown) > 3 else '')


def _listed(names: Sequence[str], where: str) -> str:
    return f'{"there is" if len(names) == 1 else "there are"} {count_of(names, "class", "classes")} in {where}' + (
        f': {shortened(names, 10)}' if names else ''
    )
