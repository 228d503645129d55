"""Tiles of large images in the configs of dense tasks: the setting ``tiles``, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..data.seen_sizes import SeenSizes
from ..errors import UserError
from ..io.image_size import TOTAL_STRIDE, ImageSize
from ..tiling.settings import TileSettings
from .config_parts import LOADERS, loaders
from .datasets import innermost_datasets, is_own, takes
from .pipelines import resized_scales, scale_sizes
from .sizes import find_training_size

if TYPE_CHECKING:
    from mmengine.config import Config

FLAGS = {
    'size': '--tile',
    'overlap': '--overlap',
    'empty_share': '--empty-tiles',
    'least_visible': '--least-visible',
    'whole': '--whole-image',
}
"""The flags of commands by the names of the settings."""


RESIZED = ('scale', 'scales')
"""Keys of steps with sizes that images are resized to."""
ROUNDING = 0.01
"""Relative difference of sizes below which they are the same."""


class RunTiles(NamedTuple):
    """The tiles of a run that is resumed."""

    settings: TileSettings
    image_size: ImageSize
    """The size at which they enter the network in testing."""


def _of_no_run(cfg: Config) -> None:
    """Return the tiles of no run."""


class TileOptions(NamedTuple):
    """What a command says of tiles; None for what it leaves to the config."""

    size: ImageSize | None = None
    """``--tile``: height and width in pixels of the image."""
    overlap: float | None = None
    """``--overlap``: share of a tile's side by which neighbors overlap."""
    empty_share: float | None = None
    """``--empty-tiles``: share of the tiles of an epoch of training that show nothing but background."""
    least_visible: float | None = None
    """``--least-visible``: share of an object's box that must be in a tile for the object to be learned there."""
    whole: bool | None = None
    """``--whole-image``: predict for the shrunk whole image, too."""
    of_run: Callable[[Config], RunTiles | None] = _of_no_run
    """Returns the tiles of the run that a config resumes, or None."""

    @classmethod
    def of(
        cls, size: int | Sequence[int] | None, overlap: float | None = None, whole: bool | None = None
    ) -> TileOptions:
        """Return the options of plain values.

        Raises:
            UserError: if one is out of range.
        """
        given = {name: value for name, value in (('overlap', overlap), ('whole', whole)) if value is not None}
        checked = TileSettings.of({'size': TOTAL_STRIDE if size is None else size, **given})
        assert checked is not None
        return cls(None if size is None else checked.size, overlap, whole=whole)

    @property
    def given(self) -> dict[str, Any]:
        """The settings that the command gives, by their names."""
        return {name: value for name in FLAGS if (value := getattr(self, name)) is not None}

    @property
    def changed_keys(self) -> list[str]:
        """The keys of a config that it sets, joined with dots."""
        return [f'tiles.{name}' for name in self.given]

    @property
    def flags(self) -> str:
        """The first flag that the command gives, as it is written; empty if there is none."""
        if self.size is not None:
            return f'{FLAGS["size"]} {_numbers(self.size)}'
        first = next(iter(self.given.items()), None)
        if first is None:
            return ''
        name, value = first
        return FLAGS[name] if name == 'whole' else f'{FLAGS[name]} {value:g}'


AS_CONFIGURED = TileOptions()
"""Tiles are those of the config, if it has any."""


def tiles_of(cfg: Config) -> TileSettings | None:
    """Return the tiles of a config; None if its images are taken as a whole.

    Raises:
        UserError: if its setting ``tiles`` is not usable.
    """
    return TileSettings.of(cfg.get('tiles'))


def tiles_of_run(saved: Config) -> RunTiles | None:
    """Return the tiles in the config that a run saved; None if it has none."""
    settings = tiles_of(saved)
    if settings is None:
        return None
    factor = seen_in_testing(saved).factor(settings.size) or 1.0
    return RunTiles(settings, ImageSize(*(round(side * factor) for side in settings.size)))


def are_asked_for(cfg: Config, options: TileOptions) -> bool:
    """Whether a command, a config, or the run that it resumes has tiles."""
    return bool(options.given) or cfg.get('tiles') is not None or options.of_run(cfg) is not None


def set_tiles(cfg: Config, options: TileOptions, merges_whole: bool = True) -> ImageSize | None:
    """Set the tiles of a config to those that a command gives, else to those of the run that it resumes.

    Its data sets get them by :func:`tile_datasets`.

    Args:
        cfg: the config.
        options: what the command says of tiles.
        merges_whole: objects of tiles can be merged with those of the whole image.

    Returns:
        The size at which images enter the network by that, which is that of a tile, or as in the run that is resumed;
        None if the config says it.

    Raises:
        UserError: if a setting is out of range, or is given without tiles.
    """
    stated, of_run = tiles_of(cfg), options.of_run(cfg)
    before = stated or (of_run.settings if of_run else None)
    if before is None and options.size is None:
        raise UserError(f'{options.flags} belongs to --tile, which is not given')
    used = TileSettings.of({**(before.as_config() if before else {}), **options.given})
    assert used is not None
    if used.whole and not merges_whole:
        raise UserError(
            f'{"--whole-image" if options.whole else "tiles.whole"} adds objects that are found in the whole image, '
            'and is for detection: leave it out'
        )
    cfg.tiles = used.as_config()
    if stated is not None and stated.size == used.size:
        return None
    return of_run.image_size if of_run is not None and of_run.settings.size == used.size else used.size


def fit_tiles(cfg: Config, size: ImageSize) -> None:
    """Change what the pipelines of a config resize to, in proportion, so that tiles enter the network at a size.

    That is so in testing. In training, images have the same size on average as before, compared with testing. Recipes
    whose crops are smaller than the resized images would enlarge tiles of the size of a crop otherwise.

    Args:
        cfg: a config whose crops have the size already.
        size: height and width in the network.
    """
    settings = tiles_of(cfg)
    factor = None if settings is None else seen_in_testing(cfg).factor(settings.size)
    if settings is None or factor is None:
        return
    wanted = min(new / own for new, own in zip(size, settings.size, strict=True))
    if abs(factor / wanted - 1) < ROUNDING:
        return

    def scaled(key: str, own: Any) -> Any:
        if key not in RESIZED:
            return own
        sides = [max(1, round(side * wanted / factor)) for side in (own if isinstance(own, tuple) else (own,))]
        return tuple(sides) if isinstance(own, tuple) else sides[0]

    scale_sizes([*(loader.dataset for loader in loaders(cfg)), cfg.get('tta_pipeline')], scaled)


def check_not_both(options: TileOptions, cfg_options: Mapping[str, Any]) -> None:
    """Raise a UserError if flags and ``--cfg-options`` both set tiles."""
    both = next((key for key in cfg_options if key.split('.')[0] == 'tiles'), None)
    if both is not None and options.given:
        raise UserError(f'{options.flags} and --cfg-options {both}=... both set tiles: leave out one of them')


def tile_datasets(cfg: Config, all_must: bool = True) -> bool:
    """Have the data sets of a config take its tiles, or none if its ``tiles`` is None.

    Args:
        cfg: the config.
        all_must: data sets that take no tiles are refused.

    Returns:
        True if there are tiles.

    Raises:
        UserError: for a data set that takes none, for one with tiles in a config without, and for tiles that enter
            the network smaller than its stride.
    """
    settings = tiles_of(cfg)
    if settings is not None and cfg.get('test_dataloader') is not None:
        _check_seen(settings, seen_in_testing(cfg))
    for key in (key for key in LOADERS if cfg.get(key) is not None):
        for dataset in innermost_datasets(cfg[key].dataset):
            if settings is None:
                if is_own(dataset) and dataset.get('tiles') is not None and 'tiles' not in cfg:
                    raise UserError(
                        f'{key}.dataset.tiles is set alone: set tiles at the top of the config, which holds for all '
                        'data sets and for prediction'
                    )
                dataset.pop('tiles', None)
            elif takes(dataset, 'tiles'):
                dataset.tiles = settings.as_config()
            elif all_must:
                raise UserError(
                    f'tiles of {settings.size}: {key} reads a {dataset.get("type")}, which has no tiles: take '
                    'CocoDataset, MaskFolder or PanopticDataset of this package, or leave out --tile'
                )
    return settings is not None


def describe_tiles(cfg: Config, options: TileOptions = AS_CONFIGURED, image_size: Sequence[int] | None = None) -> str:
    """Describe the tiles of a config, at which size they enter the network, and who says so; empty without tiles.

    Args:
        cfg: the config.
        options: what the command says of tiles.
        image_size: ``--image-size``, if it is given.
    """
    settings = tiles_of(cfg)
    if settings is None:
        return ''
    factor = seen_in_testing(cfg).factor(settings.size)
    at = 'at their own size' if factor is None or abs(factor - 1) < ROUNDING else _changed(factor)
    height, width = settings.size
    if options.size is not None:
        implied = image_size is None and at == 'at their own size'
        origin = f'as --tile says{f", which implies --image-size {height} {width}" if implied else ""}'
    else:
        of_run = options.of_run(cfg)
        origin = (
            'as the run has them'
            if of_run and of_run.settings == settings
            else f'as {cfg.filename or "the config"} says'
        )
        if options.given and origin != 'as the run has them':
            origin += f', but for {", ".join(FLAGS[name] for name in options.given)}'
    whole = ', and as a whole, shrunk, for large things' if settings.whole else ''
    return (
        f'images are taken in tiles of {settings.size} pixels with an overlap of {settings.overlap:g}, which enter '
        f'the network {at} in testing{whole}; {origin}'
    )


def describe_settings(settings: TileSettings | None) -> str:
    """Describe tiles with all that training depends on; ``'no tiles'`` for None."""
    if settings is None:
        return 'no tiles'
    return (
        f'tiles of {settings.size}, overlap {settings.overlap:g}, share of empty tiles {settings.empty_share:g}, '
        f'least visible share {settings.least_visible:g}{", with the whole image" if settings.whole else ""}'
    )


def seen_in_training(cfg: Config) -> SeenSizes:
    """Return at which sizes images, or their tiles, enter a network in training, on average."""
    return _seen(cfg, 'train_dataloader')


def seen_in_testing(cfg: Config) -> SeenSizes:
    """Return at which size images, or their tiles, enter a network in testing."""
    return _seen(cfg, 'test_dataloader')


def _check_seen(settings: TileSettings, seen: SeenSizes) -> None:
    factor = seen.factor(settings.size)
    if factor is not None and round(min(settings.size) * factor) < TOTAL_STRIDE:
        inside = ImageSize(*(round(side * factor) for side in settings.size))
        raise UserError(
            f'tiles of {settings.size} are shrunk to {inside} before they enter the network in testing, whose stride '
            f'is {TOTAL_STRIDE}: take larger tiles, or a larger --image-size'
        )


def _seen(cfg: Config, key: str) -> SeenSizes:
    loader, settings = cfg.get(key), tiles_of(cfg)
    scales = [] if loader is None else resized_scales(loader.dataset)
    crop = find_training_size(cfg) if key == 'train_dataloader' else None
    return SeenSizes(
        tuple((short * share, long * share) for (short, long), share in scales),
        settings.size if settings else None,
        min(crop.size) if crop else None,
    )


def _numbers(size: ImageSize) -> str:
    """Write a size as in a command line, of a square as one number."""
    return str(size.height) if size.height == size.width else f'{size.height} {size.width}'


def _changed(factor: float) -> str:
    return f'enlarged {factor:.3g} times' if factor > 1 else f'shrunk {1 / factor:.3g} times'
