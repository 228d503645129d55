"""The configs that mmdet and mmseg ship, with their models and published results, without reading them whole."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from ..config.find import fits
from ..config.source import Source
from ..errors import UserError
from .shipped import LIBRARIES, family_of, shipped_configs


class Listed(NamedTuple):
    """A config that a library ships."""

    name: str
    """Such as ``mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py``."""
    model: str
    """Name of the method in the metafile, such as ``DINO``, or else the type of the model."""
    results: dict[str, float]
    """What the library has published for it, with the backbone that it has there, by metric: ``{'box AP': 49.0}``.

    AP, PQ, mIoU and the like are in percent."""
    data: str
    """Data set of the results; empty where there are none."""

    @property
    def family(self) -> str:
        """Such as ``mmdet:dino``."""
        return family_of(self.name)


def list_sources(pattern: str | None = None) -> list[Listed]:
    """List the configs with a model that the installed mmdet and mmseg ship, by library and name.

    Args:
        pattern: a part or a glob of their names, families or models; None for all.

    Raises:
        UserError: if neither library is installed with its configs.
    """
    return [one for one in _all_listed() if pattern is None or listed_fits(one, pattern)]


def listed_fits(one: Listed, pattern: str) -> bool:
    """Whether a config's name, family or model has the pattern as a part, or fits it as a glob."""
    path = Path(one.name.partition(':')[2])
    return fits(pattern, (one.name, one.family, str(path), path.name, path.stem, one.model))


@cache
def _all_listed() -> list[Listed]:
    listed, errors, sources = [], [], dict[Path, Source]()
    for library in LIBRARIES:
        try:
            configs = shipped_configs(library)
        except UserError as error:
            errors.append(error)
            continue
        published = _published(library)
        methods: dict[str, set[str]] = {}
        for known in published.values():
            methods.setdefault(known.family, set()).add(known.model)
        for name, file in configs.items():
            source = sources.get(file) or Source(file, sources)
            if source.find(('model',)) is None:
                continue
            same = methods.get(family_of(name), set())  # those of a family that has one are all of that one
            model = next(iter(same)) if len(same) == 1 else str(source.value('model', 'type'))
            known = published.get(name) or Listed(name, model, {}, '')
            listed.append(known._replace(name=f'{library}:{name}'))
    if errors and not listed:
        raise errors[0]
    return listed


def _published(library: str) -> dict[str, Listed]:
    """What the metafiles beside the configs say of each, by its name without the library."""
    import yaml

    loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    known = {}
    configs = shipped_configs(library)
    folders = {file.parent: Path(name).parent for name, file in configs.items()}
    for folder, name in folders.items():
        for metafile in sorted(folder.glob('metafile.y*ml')):
            content = yaml.load(metafile.read_text(encoding='utf-8'), loader)
            models = content.get('Models') if isinstance(content, dict) else content
            for model in models or ():
                config = (name / Path(unquote(str(model.get('Config')))).name).as_posix()  # in some, another folder
                results, data = _results(model.get('Results') or [])
                known[config] = Listed(config, str(model.get('In Collection') or folder.name), results, data)
    return known


def _results(entries: dict[str, Any] | list[dict[str, Any]]) -> tuple[dict[str, float], str]:
    """The metrics of all entries of a model, of which the first one with a name stays, and their data sets."""
    results: dict[str, float] = {}
    data = []
    for entry in [entries] if isinstance(entries, dict) else entries:
        metrics = {key: value for key, value in (entry.get('Metrics') or {}).items() if isinstance(value, int | float)}
        results = {**metrics, **results}
        data += [str(entry.get('Dataset'))] if metrics and entry.get('Dataset') else []
    return results, ', '.join(dict.fromkeys(data))
