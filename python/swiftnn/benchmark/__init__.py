"""`python -m swiftnn.benchmark`: layers of swiftnn beside PyTorch, ONNX Runtime, OpenVINO and JAX, each in a process of its own.

The processes work in turns within a round; what counts is the median over rounds of the ratio of two neighbours, which drifts of the
machine's clock leave alone. `__main__` lists the options, `lists` the shapes.
"""
