"""Make the page of a folder of runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UserError
from ...io.files import atomic_write, write_errors
from .. import DIAGNOSIS_FILE, DIAGNOSIS_FOLDER, METRICS_FILE
from ..curves import short_names
from .content import Command, RunContent, RunFiles, describe_run, read_files
from .document import Block, render
from .images import CHUNK, PageImages

STUDY_FILE = 'tune.json'
"""File with the results of a study of the verb ``tune``, beside its trials."""


@dataclass
class Page:
    """A page and what it lacks.

    Attributes:
        file: where it is.
        missing: of each run by its work dir, the results that it has not.
        problems: files that can't be read, in one line each.
    """

    file: Path
    missing: dict[Path, list[str]]
    problems: list[str]


def find_work_dirs(folder: Path) -> list[Path]:
    """Find all folders with logged values, results or a diagnosis at or below a folder, sorted.

    Raises:
        UserError: if there are none.
    """
    found = {file.parents[2] for file in folder.glob('**/vis_data/scalars.csv')}
    found |= {file.parent for file in folder.glob(f'**/{METRICS_FILE}') if _has_metrics(file)}
    for file in folder.glob(f'**/{DIAGNOSIS_FILE}'):
        found.add(file.parents[1] if file.parent.name == DIAGNOSIS_FOLDER and file.parent != folder else file.parent)
    if not found:
        raise UserError(f'no run in {folder}: name a work dir that tools/train.py wrote')
    return sorted(found)


def _has_metrics(file: Path) -> bool:
    """Whether a file is one of the verb ``test``; others may have that name."""
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {'metrics', 'checkpoint'} <= content.keys()


def write_page(
    folder: Path, out: Path, command: Command, max_images: int, beside: bool = False, title: str | None = None
) -> Page:
    """Write the page on all runs at or below a folder.

    Args:
        folder: the work dir of a run, or a folder of work dirs.
        out: the HTML file to write.
        command: makes the commands that add what is missing.
        max_images: images in the page, of all runs together.
        beside: link to the images' files instead of embedding them; label maps are embedded either way.
        title: the page's title; None for the folder's name.

    Raises:
        UserError: if there is no run, or the file can't be written.
    """
    runs = find_work_dirs(folder)
    names = short_names([run.resolve() for run in runs])
    files = [read_files(run) for run in runs]
    title = title or folder.resolve().name or 'runs'
    studies, problems = _studies(folder)
    contents = write_runs(files, names, out, command, title, max_images, beside, studies, problems)
    missing = {run: content.missing for run, content in zip(runs, contents, strict=True)}
    problems += [problem for content in contents for problem in content.summary['problems']]
    return Page(out, missing, problems)


def write_runs(
    files: Sequence[RunFiles],
    names: Sequence[str],
    out: Path,
    command: Command,
    title: str,
    max_images: int = 0,
    beside: bool = False,
    studies: Sequence[dict[str, Any]] = (),
    problems: Sequence[str] = (),
) -> list[RunContent]:
    """Write the page on runs whose files were read.

    Args:
        files: of each run.
        names: of the runs, unique.
        out: the HTML file to write.
        command: makes the commands that add what is missing.
        title: the page's title.
        max_images: images in the page, of all runs together.
        beside: link to the images' files instead of embedding them; label maps are embedded either way.
        studies: of the verb ``tune``.
        problems: what could not be read beside the runs.

    Returns:
        What the page has of each run.

    Raises:
        UserError: if the file can't be written.
    """
    shares = _shares([one.image_count() for one in files], max_images)
    contents = [
        describe_run(one, name, number, share, command)
        for number, (one, name, share) in enumerate(zip(files, names, shares, strict=True))
    ]
    overview = {
        'title': title,
        'chunk': CHUNK,
        'runs': [content.summary for content in contents],
        'studies': list(studies),
        'problems': list(problems),
    }
    with write_errors(out, '--out'):
        out.parent.mkdir(parents=True, exist_ok=True)
        parent = out.parent.resolve() if beside else None
        with atomic_write(out) as temporary, open(temporary, 'w', encoding='utf-8', errors='backslashreplace') as file:
            file.writelines(render(title, _blocks(overview, contents, parent), with_files=beside))
    return contents


def _shares(counts: Sequence[int], most: int) -> list[int]:
    """Share ``most`` images among runs: each gets as many as any other, or all of its images if it has fewer."""
    shares = [0] * len(counts)
    for place, i in enumerate(sorted(range(len(counts)), key=lambda i: counts[i])):
        shares[i] = min(counts[i], most // (len(counts) - place))
        most -= shares[i]
    return shares


def _blocks(overview: dict[str, Any], contents: Sequence[RunContent], beside: Path | None) -> Iterator[Block]:
    yield Block('data-page', overview)
    for content in contents:
        id_ = content.summary['id']
        yield Block(f'data-{id_}', content.details)
        yield from _image_blocks(id_, content.images, beside)


def _image_blocks(run: str, images: PageImages, beside: Path | None) -> Iterator[Block]:
    yield Block(f'data-{run}-images', images.records)
    for number, chunk in enumerate(images.chunks(beside)):
        yield Block(f'data-{run}-files-{number}', chunk)


def _studies(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the results of studies at or one level below a folder, and what can't be read of them."""
    found, problems = [], []
    for file in sorted([*folder.glob(STUDY_FILE), *folder.glob(f'*/{STUDY_FILE}')]):
        try:
            content = json.loads(file.read_text(encoding='utf-8'))
            sections = [
                {
                    'id': str(one['id']),
                    'title': str(one['title']),
                    'lead': str(one.get('lead') or ''),
                    'blocks': list(one['blocks']),
                }
                for one in content['sections']
            ]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(f'`{file}` cannot be read ({str(error)[:100]}).')
            continue
        found.append({'name': file.parent.resolve().name, 'sections': sections})
    return found, problems
