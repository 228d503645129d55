"""Export to ONNX files and torch.export programs: building graphs, writing them, and checking files against PyTorch.

:meth:`convnext_dense.inference.Predictor.graph` builds the graph of a loaded model.
"""
