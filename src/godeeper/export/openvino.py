"""Exports a classifier to OpenVINO: converts the ONNX graph in single precision, and adds metadata.

The certificate is valid only for single precision.  The file cannot request a precision, so the program that compiles the
model must set it.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.openvino import imported
from ..marks import TRAILER
from .onnx import PROBABILITIES, to_onnx
from .parity import LOOSE, TOLERANCE, Export, Predict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..classifier.classifier import Classifier

PRECISION = "INFERENCE_PRECISION_HINT"  # set to f32, because some processors use 16 bits by default


def make_export(classifier: Classifier) -> Export:
    """The classifier as OpenVINO's two files; raises ``MissingExtra``."""
    openvino = imported()
    model = openvino.convert_model(io.BytesIO(to_onnx(classifier).SerializeToString()))
    return Export(
        predict=runner(openvino, model),
        files=lambda metadata: serialised(openvino, model, metadata),
        packages=("openvino", "onnx", "pillow", "numpy"),
        tolerance=LOOSE if classifier.calibration else TOLERANCE,
    )


def runner(openvino: Any, model: Any) -> Predict:
    """A function from a photo's pixels to the model's probabilities, on the CPU."""
    compiled = openvino.Core().compile_model(model, "CPU", {PRECISION: "f32"})

    def predict(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        probabilities: NDArray[Any] = compiled([pixels])[PROBABILITIES]
        return probabilities

    return predict


def serialised(openvino: Any, model: Any, metadata: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of the model with ``metadata``: extension -> content."""
    for key, value in metadata.items():
        model.set_rt_info(json.dumps(value, ensure_ascii=False), ["godeeper", key])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        return {".bin": path.with_suffix(".bin").read_bytes() + TRAILER, ".xml": path.read_bytes()}
