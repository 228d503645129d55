"""What the site prints from the code, and the Sphinx roles in docstrings."""

import re
import runpy

import griffe
import pytest

from convnext_dense.cli.main import VERBS
from tests.helpers.pages import ROOT

HOOKS = runpy.run_path(str(ROOT / 'docs' / 'hooks.py'))


def test_the_reference_has_every_verb_with_its_arguments():
    page = HOOKS['on_page_markdown']('# Commands\n\n<!-- commands -->\n')
    for verb in VERBS:
        assert f'\n## {verb}\n' in page
    assert '| `--epochs N` |' in page
    assert '<!-- commands -->' not in page
    assert HOOKS['on_page_markdown']('# Another page') == '# Another page'


def test_the_reference_shows_pipes_inside_a_cell():
    train = HOOKS['command_reference']().partition('## train')[2].partition('\n## ')[0]
    rows = [line for line in train.splitlines() if line.startswith('| `')]
    assert rows
    assert all(re.sub(r'`[^`]*`|\\\|', '', row).count('|') == 3 for row in rows)


def test_every_change_to_a_library_is_listed():
    page = HOOKS['on_page_markdown']('# Architecture\n\n<!-- changes -->\n')
    rows = dict(re.findall(r'^\| `(\w+\.py)` \| (.+) \|$', page, re.MULTILINE))
    assert set(rows) == {path.name for path in (ROOT / 'convnext_dense' / 'compat').glob('[!_]*.py')}
    assert all(change.endswith('.') for change in rows.values())


@pytest.mark.parametrize(
    ('text', 'shown', 'target'),
    [
        (':func:`helper`', 'helper', 'package.module.helper'),
        (':class:`~convnext_dense.models.ConvNeXt`', 'ConvNeXt', 'convnext_dense.models.ConvNeXt'),
        (':meth:`Thing.draw`', 'Thing.draw', 'package.module.Thing.draw'),
    ],
)
def test_roles_become_code_with_a_link(text, shown, target):
    module = griffe.Module('module', parent=griffe.Module('package'))
    function = griffe.Function('function', parent=module, docstring=griffe.Docstring(f'See {text} there.'))
    HOOKS['SphinxRoles']().on_object(obj=function)
    link = f'<autoref optional identifier="{target}"><code>{shown}</code></autoref>'
    assert function.docstring.value == f'See {link} there.'
