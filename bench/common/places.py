"""Paths of the benchmarks' files, and addresses of the tensors that they compute."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
REPOSITORY = HERE.parent
SOURCE = REPOSITORY / "src"
PHOTO = REPOSITORY / "examples" / "chelsea.jpg"
ADDRESS = "mixed/tower_2/conv"

RESULTS = HERE / "results"
PICTURES = RESULTS / "pictures"
CACHE = RESULTS / "cache"
RETRAIN_CACHE = RESULTS / "cache-retrain"
PREPARED = RESULTS / "prepared.txt"
NUMBERS = RESULTS / "numbers.npz"
GRAPH = RESULTS / "cut.onnx"
TORCHVISION_WEIGHTS = RESULTS / "inception_v3.pth"
KERAS_WEIGHTS = RESULTS / "inception_v3.weights.h5"
SAMPLES = RESULTS / "peek.json"
PHOTOS = RESULTS / "photos"
POSTER = RESULTS / "poster"
FEATURES = RESULTS / "features"

PEERS_ENVIRONMENT = HERE / ".venv-peers"
