"""Running exported files: an error is one line."""

import pytest
import torch

from convnext_dense.export.run import DoesNotRun, open_exported
from convnext_dense.export.write import write
from convnext_dense.io.image_size import ImageSize
from tests.export.test_graphs import images_of


@pytest.mark.parametrize('suffix', ['.onnx', '.pt2'])
def test_outputs_and_errors(predictors, tmp_path, capfd, suffix):
    graph, out, images = predictors['classification'].graph(), tmp_path / f'out{suffix}', images_of((64, 64))
    write(graph, out, ImageSize(64, 64), False, {})
    run = open_exported(out)
    (logits,) = run(images)
    with torch.no_grad():
        assert torch.allclose(logits, graph(images)[0], atol=1e-5)
    runtime = 'torch' if suffix == '.pt2' else 'onnxruntime'
    with pytest.raises(DoesNotRun) as error:
        run(images_of((96, 64)))
    assert str(error.value).startswith(f'the exported file cannot be run on 1 x 3 x 64 x 96 by {runtime} (')
    out.write_bytes(out.read_bytes()[:1000])
    with pytest.raises(DoesNotRun) as other:
        open_exported(out)
    assert str(other.value).startswith(f'the exported file cannot be loaded by {runtime} (')
    assert '\n' not in f'{error.value}{other.value}' and capfd.readouterr().err == ''
