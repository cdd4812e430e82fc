"""Exports classifiers to ONNX, OpenVINO and torch; each export is compared with the original before it is written."""
