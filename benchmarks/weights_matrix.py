"""Compare this package's network with each library's own, on the same random weights, for all published ConvNeXts.

    python benchmarks/weights_matrix.py                          # all rows: some minutes
    python benchmarks/weights_matrix.py --only 'timm*base*'      # rows whose name matches
    python benchmarks/weights_matrix.py --out benchmarks/weights_matrix.json

Each row takes a file of ``published_networks.py``, written as its library does, with random values for every
parameter, loads it as ``--pretrained`` does, and compares the outputs of all stages, the features and the logits in
float64, as far as the library has them, and the preprocessing of timm's entries. Names and shapes of networks that
are reduced there are compared at full size.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
import torchvision
import transformers
from published_networks import IMAGES, Published, cases
from torch import Tensor, nn

from convnext_dense.errors import UserError
from convnext_dense.models import ConvNeXt, ImageClassifier
from convnext_dense.weights.conversion import convert
from convnext_dense.weights.extraction import Weights, extract_weights
from convnext_dense.weights.formats import detect_arch
from convnext_dense.weights.loading import load_pretrained
from convnext_dense.weights.reader import read_checkpoint
from convnext_dense.weights.structure import detect_structure

BAR = 1e-9  # of the largest difference: an eps of 1e-6 instead of 1e-12 makes one of 5e-7


@dataclass
class Row:
    """A row of the table."""

    package: str
    name: str
    result: str  # 'equal', 'differs' or 'refused'
    compared: str
    difference: float | None
    note: str


def measure(library: str, name: str, publish: Callable[[Path], Published]) -> Row:
    """Compare a network of a library with ours."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        published = publish(Path(folder))
        if published.full_size is not None:
            check_full_size(published.full_size, published.arguments)
        try:
            with published.reading():
                return _compare(library, name, published)
        except UserError as error:
            reason = str(error).replace(f'{folder}/', '').partition(': take ')[0]
            return Row(library, name, 'refused', '', None, reason)


def _compare(library: str, name: str, published: Published) -> Row:
    weights = extract_weights(read_checkpoint(published.file), published.file)
    theirs = published.outputs
    backbone = {'type': 'convnext_dense.ConvNeXt', **arguments_of(weights), **published.arguments}
    faults, differences = [], {}
    if theirs.stages or theirs.features is not None or theirs.logits is not None:
        model = classifier_for(weights, published.arguments)
        line = load_pretrained(model, published.file)
        fresh = re.search('fresh: (.*?);', line)[1]
        left_over = re.search('left over in the file: ([^;]*)', line)[1].split(' (')[0]
        expected = [] if theirs.logits is not None else ['head']
        expected += [] if theirs.features is not None or theirs.logits is not None else ['final norm']
        if fresh != (', '.join(sorted(expected)) or 'nothing'):
            faults.append(f'fresh: {fresh}')
        if left_over != (', '.join(sorted(published.left_over)) or 'nothing'):
            faults.append(f'left over: {left_over}')
        stages: list[Tensor] = []
        for stage in getattr(model.backbone, 'stages', ()):
            stage.register_forward_hook(lambda *call: stages.append(call[2]))
        features = model.double().eval().backbone(IMAGES)
        for s, stage in enumerate(theirs.stages or ()):
            differences[f'stage {s}'] = difference(stages[s], stage)
        if theirs.features is not None:
            differences['features'] = difference(features, theirs.features)
        if theirs.logits is not None:
            differences['logits'] = difference(model.head(features), theirs.logits)
    if theirs.normed:
        dense = nn.Module()
        dense.backbone = ConvNeXt(
            **{k: v for k, v in backbone.items() if k != 'type'}, out_indices=list(theirs.normed)
        )
        load_pretrained(dense, published.file)
        outputs = dense.backbone.double().eval()(IMAGES)
        for (s, other), own in zip(theirs.normed.items(), outputs, strict=True):
            differences[f'output {s}'] = difference(own, other)
    faults += preprocessing_faults(weights, published.preprocessing)
    largest = max(differences.values())
    compared = ', '.join(dict.fromkeys(re.sub(r' \d', 's', what) for what in differences))
    return Row(
        library,
        name,
        'differs' if faults or largest > BAR else 'equal',
        compared + (', preprocessing' if published.preprocessing else ''),
        largest,
        '; '.join([*faults, *filter(None, [published.note])]),
    )


def check_full_size(full: nn.Module, arguments: Mapping[str, Any]) -> None:
    """Check names and shapes of a network at full size, on torch's meta device."""
    state = convert(full.state_dict(), 'ours').state
    with torch.device('meta'):
        ours = classifier_for(Weights(Path('-'), '', state, [], None, None), arguments)
    own, other = ({name: tensor.shape for name, tensor in s.items()} for s in (ours.state_dict(), state))
    assert own == other, sorted(own.items() ^ other.items())[:4]


def classifier_for(weights: Weights, arguments: Mapping[str, Any]) -> ImageClassifier:
    """Build our classifier that fits weights."""
    backbone = {'type': 'convnext_dense.ConvNeXt', 'out_indices': None, **arguments_of(weights), **arguments}
    if 'Isotropic' in backbone['type']:
        del backbone['out_indices']
    head, hidden = (weights.state.get(f'head.{name}') for name in ('weight', 'hidden.weight'))
    classes, size = 1 if head is None else len(head), None if hidden is None else len(hidden)
    return ImageClassifier(backbone, classes, head_hidden_size=size)


def difference(own: Tensor, other: Tensor) -> float:
    return float((own - other).abs().max()) if own.shape == other.shape else float('inf')


def arguments_of(weights: Weights) -> dict[str, Any]:
    """Return the arguments of our backbone that weights show."""
    arch = detect_arch(weights.state)
    if not any(arch.size.depths):
        return {'type': 'convnext_dense.IsotropicConvNeXt', 'arch': 'small', 'layer_scale_init_value': 0}
    structure = detect_structure(weights.state)
    found = structure._asdict() | {'norm_before_pooling': bool(structure.norm_before_pooling)}
    return {
        'arch': dict(zip(('depths', 'dims'), map(list, arch.size), strict=True)),
        'version': arch.version,
        'layer_scale_init_value': float('backbone.stages.0.0.gamma' in weights.state),
        **{key: value for key, value in found.items() if value is not None},
    }


def preprocessing_faults(weights: Weights, expected: Mapping[str, Any] | None) -> list[str]:
    """Compare what was read of the preprocessing with timm's entry."""
    if expected is None:
        return []
    found = weights.preprocessing
    if found is None:
        return ['no preprocessing was read']
    pairs = {
        'mean': (found.mean, expected['mean']),
        'std': (found.std, expected['std']),
        'input_size': (found.input_size, expected['input_size'][1:]),
        'crop_ratio': (found.crop_ratio, expected['crop_pct']),
        'interpolation': (found.interpolation, expected['interpolation']),
        'crop_mode': (found.crop_mode, expected['crop_mode']),
    }
    return [f'{key} is {own}, not {theirs}' for key, (own, theirs) in pairs.items() if _plain(own) != _plain(theirs)]


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value


def measure_all(pattern: str = '*') -> Iterator[Row]:
    """Measure the rows whose ``library/name`` matches a pattern."""
    for library, name, publish in cases():
        if fnmatch(f'{library}/{name}', pattern) or fnmatch(name, pattern):
            yield measure(library, name, publish)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', default='*', metavar='PATTERN', help='rows whose library/name or name matches')
    parser.add_argument('--out', type=Path, metavar='JSON', help='file to write')
    args = parser.parse_args()
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    rows = []
    for row in measure_all(args.only):
        size = '' if row.difference is None else f'{row.difference:.0e}'
        print(f'{row.package:13} {row.name:60} {row.result:8} {size:6} {row.compared:40} {row.note}', flush=True)
        rows.append(row)
    counts = {result: sum(row.result == result for row in rows) for result in ('equal', 'refused', 'differs')}
    print(', '.join(f'{count} {result}' for result, count in counts.items()))
    if args.out:
        libraries = (timm, transformers, torchvision, open_clip)
        versions = {library.__name__: library.__version__ for library in libraries}
        content = {'versions': versions, 'rows': [asdict(row) for row in rows]}
        args.out.write_text(json.dumps(content, indent=1) + '\n')
    if counts['differs']:
        sys.exit(1)


if __name__ == '__main__':
    main()
