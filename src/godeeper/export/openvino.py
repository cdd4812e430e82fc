"""A classifier for OpenVINO: the ONNX graph converted, in single precision, with what it says of itself inside.

The certificate is for computing in single precision; a file cannot ask for that, whoever compiles it must.
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

PRECISION = "INFERENCE_PRECISION_HINT"  # some processors would compute in 16 bits if not told


def made(classifier: Classifier) -> Export:
    """The classifier as OpenVINO's two files; raises ``MissingExtra``."""
    openvino = imported()
    model = openvino.convert_model(io.BytesIO(to_onnx(classifier).SerializeToString()))
    return Export(
        predict=runner(openvino, model),
        files=lambda said: saved(openvino, model, said),
        packages=("openvino", "onnx", "pillow", "numpy"),
        tolerance=LOOSE if classifier.calibration else TOLERANCE,
    )


def runner(openvino: Any, model: Any) -> Predict:
    """What the model says of a photo's pixels, on the CPU."""
    compiled = openvino.Core().compile_model(model, "CPU", {PRECISION: "f32"})

    def predict(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        answer: NDArray[Any] = compiled([pixels])[PROBABILITIES]
        return answer

    return predict


def saved(openvino: Any, model: Any, said: Mapping[str, Any]) -> dict[str, bytes]:
    """Ending -> content."""
    for key, value in said.items():
        model.set_rt_info(json.dumps(value, ensure_ascii=False), ["godeeper", key])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        return {".bin": path.with_suffix(".bin").read_bytes() + TRAILER, ".xml": path.read_bytes()}
