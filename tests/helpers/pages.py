"""The README and the pages of the documentation, their code blocks and the commands in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]
BLOCK = re.compile(r'^```(\w*)(?: title="(.*?)")?\n(.*?)^```', re.DOTALL | re.MULTILINE)
SHELL = ('bash', 'console', 'sh')
INLINE = re.compile(r'(?<!`)`([^`\n]+)`(?!`)')
COMMAND = re.compile(r'(python |make |pip |torchrun |srun |convnext-dense )')
PLACEHOLDER = re.compile(r'\.\.\.|\b[A-Z]+\b')  # what a reader replaces: VERB, N


class Block(NamedTuple):
    """A fenced code block."""

    language: str
    title: str
    """The name of the file that it shows, or nothing."""
    code: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [Block(m[1], m[2] or '', m[3], text[: m.start()].count('\n') + 1) for m in BLOCK.finditer(text)]


def shown_files(page: Path) -> dict[str, str]:
    """The files that a page shows, by their names."""
    return {block.title: block.code for block in blocks(page) if block.title}


def inline_code(page: Path) -> list[str]:
    """The code in running text and tables."""
    return INLINE.findall(BLOCK.sub('', page.read_text()))


def commands(page: Path) -> list[str]:
    """All commands of a page: each line of its shell blocks, and those in the text that leave nothing out."""
    found = []
    for block in blocks(page):
        if block.language in SHELL:
            lines = block.code.replace('\\\n', ' ').splitlines()
            found += [line for line in lines if line.strip() and not line.startswith('#')]
    inline = (' '.join(code.split()) for code in inline_code(page))
    found += [code for code in inline if COMMAND.match(code) and not PLACEHOLDER.search(code)]
    return found
