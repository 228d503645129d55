"""Hooks of the documentation site: content generated from the code, and Sphinx roles in docstrings.

mkdocs.yml names this file twice, as a hook of MkDocs and as an extension of griffe, which reads the docstrings.
"""

from __future__ import annotations

import argparse
import ast
import re
from pathlib import Path
from typing import Any

import griffe

PACKAGE = Path(__file__).parents[1] / 'convnext_dense'
ROLE = re.compile(r':(?:class|func|meth|mod|data|attr|exc|obj):`(~?)([\w.]+)`')


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers by content generated from the code."""
    for marker, text in (('<!-- commands -->', command_reference), ('<!-- changes -->', changes_to_libraries)):
        if marker in markdown:
            markdown = markdown.replace(marker, text())
    return markdown


class SphinxRoles(griffe.Extension):
    """Turn ``:func:`~a.b.name``` in docstrings into code, with a link where the site has a section on it."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = ROLE.sub(lambda match: _link(obj, *match.groups()), obj.docstring.value)


def _link(obj: griffe.Object, shortened: str, name: str) -> str:
    target = name if name.startswith('convnext_dense.') else f'{obj.module.path}.{name}'
    shown = name.rsplit('.', 1)[-1] if shortened else name
    return f'<autoref optional identifier="{target}"><code>{shown}</code></autoref>'


def changes_to_libraries() -> str:
    """Make a table of the files in ``compat/`` with the first lines of their docstrings."""
    lines = ['| file in `compat/` | change, and the versions that it is for |', '| --- | --- |']
    for file in sorted((PACKAGE / 'compat').glob('[!_]*.py')):
        docstring = ast.get_docstring(ast.parse(file.read_text())) or ''
        lines.append(f'| `{file.name}` | {docstring.splitlines()[0]} |')
    return '\n'.join(lines)


def command_reference() -> str:
    """Make a Markdown section for each verb: description, usage, arguments."""
    from convnext_dense.cli.main import VERBS, build_parser

    sections = []
    for verb, summary in VERBS.items():
        parser = build_parser(verb)
        sections += [f'## {verb}', f'{summary[0].upper()}{summary[1:]}.', *_description(parser), _arguments(parser)]
    return '\n\n'.join(sections)


def _description(parser: argparse.ArgumentParser) -> list[str]:
    """Convert the description to Markdown: prose, and commands or lists as preformatted text, without the summary."""
    found = []
    for paragraph in (parser.description or '').strip().split('\n\n')[1:]:
        preformatted = re.search(r'\S {2,}\S|^ {2,}|^(convnext-dense|torchrun|python) ', paragraph, re.MULTILINE)
        found.append(f'```text\n{paragraph.strip()}\n```' if preformatted else paragraph)
    return found


def _arguments(parser: argparse.ArgumentParser) -> str:
    formatter = parser._get_formatter()
    lines = ['| argument | meaning |', '| --- | --- |']
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or action.dest in ('help', 'debug'):  # the page says it once
            continue
        values = formatter._format_args(action, formatter._get_default_metavar_for_optional(action))
        name = ', '.join(action.option_strings) or formatter._format_args(action, action.dest.upper())
        shown = f'{name} {values}' if action.option_strings and action.nargs != 0 else name
        lines.append(f'| `{shown}` | {_escaped(formatter._expand_help(action) if action.help else "")} |')
    return '\n'.join(line.replace('\n', ' ') for line in lines)


def _escaped(text: str) -> str:
    return re.sub(r'([|*_<])', r'\\\1', text)
