"""Models as ONNX files and torch.export programs: what is exported, writing it, checking it against PyTorch."""

from __future__ import annotations

from ..errors import UserError
from ..inference.predictor import Predictor
from .detection import Instances
from .graphs import Classifier, Features, Graph, LabelMap, Probabilities, Segmentor

# What can be exported of a model, by its task; the first is the default.
TASK_OUTPUTS: dict[str, dict[str, type[Graph]]] = {
    'classification': {'logits': Classifier, 'probabilities': Probabilities, 'features': Features},
    'detection': {'instances': Instances, 'features': Features},
    'segmentation': {'logits': Segmentor, 'labels': LabelMap, 'features': Features},
}


def graph_for(predict: Predictor, output: str | None = None) -> Graph:
    """The graph that gives ``output`` of a loaded model, its task's first by default, in evaluation mode.

    Raises:
        UserError: if the task has no such output, or the backbone no features of four stages.
    """
    graphs = TASK_OUTPUTS[predict.task]
    if output is not None and output not in graphs:
        raise UserError(f'--task-output {output}: a model for {predict.task} has {", ".join(graphs)}')
    return graphs[output or next(iter(graphs))](predict).eval().requires_grad_(False)
