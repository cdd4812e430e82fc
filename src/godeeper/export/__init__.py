"""Classifiers for other programs: ONNX, OpenVINO and torch, each checked against the original before it is written."""
