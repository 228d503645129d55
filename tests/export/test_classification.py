"""Graphs of classifiers: normalization is inside."""

import torch

from tests.export.test_graphs import MEAN, STD, images_of


def test_normalization_is_inside(predictors):
    predict = predictors['classification']
    images = images_of((48, 48), (48, 48))
    with torch.no_grad():
        expected = predict.model((images / 255 - MEAN) / STD)
        (logits,) = predict.graph()(images)
        (probabilities,) = predict.graph('probabilities')(images)
    assert torch.allclose(logits, expected, atol=1e-5)
    assert not torch.allclose(logits[0], logits[1], atol=0.01)
    assert torch.allclose(probabilities, expected.exp() / expected.exp().sum(dim=1, keepdim=True), atol=1e-6)


def test_scores_are_of_what_is_written(predictors):
    predict, images = predictors['classification'], images_of((48, 48), (48, 48))
    results = [predict.graph(output) for output in ('logits', 'probabilities')]
    with torch.no_grad():
        logits, probabilities = (graph.as_predicted(graph(images), (48, 48)) for graph in results)
        expected = predict.model((images / 255 - MEAN) / STD).softmax(1).numpy()
    for one, other, scores in zip(logits, probabilities, expected, strict=True):
        assert abs(one['scores'] - scores).max() < 1e-6 and abs(other['scores'] - scores).max() < 1e-6
