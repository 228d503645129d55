"""Formats with an object in each row of a CSV file: finding the files, and reading them row by row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

from ...errors import UserError
from ...io.progress import reading
from .annotation_files import assign_splits, list_places
from .base import WHOLE, Content, Format, Source
from .building import ContentBuilder, categories_of
from .csv_rows import read_rows


class RowReader(Protocol):
    """Reads the rows of a split one by one into a builder."""

    classes: dict[str, str]
    """Names of the classes by what rows call them."""
    builder: ContentBuilder

    def read_row(self, number: int, cells: list[str]) -> None:
        """Read the cells of a line, whose number counts from 1."""

    def finish(self) -> None:
        """Tell of what only all rows show."""


class TableFormat(Format):
    """Base class of formats with an object in each row."""

    files_title: ClassVar[str]
    """Name of the files in messages: ``'CSV files'``."""
    file_names: ClassVar[str]
    """Names of files whose split is told: ``'train.csv and val.csv'``."""

    @abstractmethod
    def is_own(self, path: Path) -> bool:
        """Check by the first line whether a file is in this format."""

    @abstractmethod
    def read_classes(self, source: Source) -> Mapping[str, str]:
        """Read the names of the classes by what rows call them."""

    @abstractmethod
    def class_file(self, source: Source) -> Path | None:
        """Find the file that lists the classes; None if there is none."""

    @abstractmethod
    def row_reader(self, source: Source) -> RowReader:
        """Make a reader of a split's rows."""

    def places(self, root: Path) -> list[list[Path]]:
        """List the files in each place where there may be some, the best place first."""
        return list_places(root, '.csv')

    def used_labels(self, source: Source, labels_in: Callable[[Path], Iterable[str]]) -> list[str]:
        """Return what the rows of all splits call their classes, sorted.

        Args:
            source: one of the splits.
            labels_in: function that reads the labels in a file.

        Raises:
            UserError: if there are none.
        """
        files = {source.annotations, *(one.annotations for one in (self.find(source.images) or {}).values())}
        labels = sorted({label for file in sorted(files) for label in labels_in(file)})
        if not labels:
            raise UserError(f'{source.annotations} has no objects')
        return labels

    def find(self, root: Path) -> dict[str, Source] | None:
        if root.is_file():
            return {WHOLE: Source(root, root.parent, self.name)} if self.is_own(root) else None
        if not root.is_dir():
            return None
        places = [[file for file in place if self.is_own(file)] for place in self.places(root)]
        files = assign_splits(
            root, places, self.files_title, lambda _: f'keep one for each split, as {self.file_names}'
        )
        return {split: Source(file, root, self.name) for split, file in files.items()} or None

    def read_categories(self, source: Source) -> list[dict]:
        return categories_of(dict.fromkeys(self.read_classes(source).values()))

    def read(self, source: Source, needs_annotations: bool = True) -> Content:
        reader = self.row_reader(source)
        with reading(source.annotations):
            for number, cells in read_rows(source.annotations):
                reader.read_row(number, cells)
        reader.finish()
        names = list(dict.fromkeys(reader.classes.values()))
        listed_in = str(self.class_file(source) or source.annotations)
        return reader.builder.build(source.annotations, names, needs_annotations, listed_in)

    def has_masks(self, source: Source) -> bool:
        return False
