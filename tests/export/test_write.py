"""The file that is written: what it says of its sizes."""

import onnxruntime

from convnext_dense.export.write import INPUT, write
from convnext_dense.io.image_size import ImageSize
from tests.export.test_graphs import images_of


def test_a_file_names_only_sizes_that_are_equal(predict, tmp_path, capfd):
    """A runtime that finds two sizes behind one name warns of each."""
    graph, images = predict.graph(), images_of((64, 64))
    write(graph, tmp_path / 'model.onnx', ImageSize(64, 64), dynamic=False, about={})
    session = onnxruntime.InferenceSession(tmp_path / 'model.onnx', providers=['CPUExecutionProvider'])
    assert [output.shape for output in session.get_outputs()][:2] == [['detections', 4], ['detections']]
    session.run(None, {INPUT: images.numpy()})
    assert capfd.readouterr().err == ''
