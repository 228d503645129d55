"""The texts of all messages: words do not run together."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

PACKAGES = [Path(__file__).parents[1] / name for name in ('convnext_dense', 'convnext_dense_doctor')]
FILES = sorted(file for package in PACKAGES for file in package.rglob('*.py'))


def run_together(text: str) -> list[str]:
    """Columns of a width that a long value would fill, with what follows at once."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for one, after in zip(node.values, [*node.values[1:], None], strict=True):
            if not isinstance(one, ast.FormattedValue) or one.format_spec is None or after is None:
                continue
            width = re.fullmatch(r"f'<(\d+)'", ast.unparse(one.format_spec))
            starts = isinstance(after, ast.FormattedValue) or not str(getattr(after, 'value', ' '))[:1].isspace()
            if width and starts and not (isinstance(one.value, ast.Constant)):
                found.append(f'{node.lineno}: {ast.unparse(node)}')
    return found


def joined(text: str) -> list[str]:
    """Words at the end of a line's text and the beginning of the next without a space between them."""
    found, before = [], None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING:
            if before is not None:
                end, start = before.rstrip('\'"'), re.sub(r'^[a-zA-Z]*[\'"]+', '', token.string)
                if end[-1:].isalnum() and start[:1].isalnum():
                    found.append(f'{token.start[0]}: {end[-20:]}{start[:20]}')
            before = token.string
        elif token.type not in (tokenize.NL, tokenize.COMMENT):
            before = None
    return found


@pytest.mark.parametrize('check', [run_together, joined])
def test_no_words_run_together(check):
    found = [f'{file.name}:{line}' for file in FILES for line in check(file.read_text())]
    assert found == []


def test_the_checks_find_what_they_are_for():
    assert run_together("f'{verb:<15}{summary}'") and run_together("f'{verb:<15}|'")
    assert not run_together("f'{verb:<15} {summary}'") and not run_together("f'{verb:<15}'")
    assert joined("x = ('name the'\n     'file')") and joined("x = (f'{a} the'\n     f'file')")
    assert not joined("x = ('name the '\n     'file')") and not joined("x = ['a',\n 'b']")
