"""Models as ONNX files and torch.export programs: the exported graphs, writing them, checking files against PyTorch.

A loaded model gives its graph by :meth:`convnext_dense.inference.Predictor.graph`.
"""
