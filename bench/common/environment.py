"""The peers' environment: PyTorch, torchvision, TensorFlow, Keras, fastai, Lucent and Ray, separate from godeeper's environment.

    python -m bench.common.environment        # creates bench/.venv-peers if it is missing; prints the path of its Python

``GODEEPER_BENCH_PYTHON`` selects another Python in which all of them are installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from bench.common.places import PEERS_ENVIRONMENT

INSTALLS = (
    ("torch==2.13.0", "tensorflow-cpu==2.21.*", "pillow", "h5py"),
    # Without dependencies, because these would install the CUDA build of torch.
    (
        "--no-deps",
        "torchvision==0.28.0",
        "fastai==2.8.12",
        "torch-lucent==0.1.8",
        "kornia==0.8.2",
        "kornia-rs",
    ),
    (
        "fastcore",
        "fasttransform",
        "fastprogress",
        "fastdownload<2",
        "pandas",
        "requests",
        "pyyaml",
        "scipy",
        "plum-dispatch<2.10",
        "cloudpickle",
        "scikit-learn",
        "matplotlib",
        "scikit-image",
        "ray[data]>=2.51",
        "safetensors",
        "platformdirs",
        "future",
        "decorator",
        "tqdm",
        "ipython",
    ),
)


def python() -> Path:
    """Return the Python that has the peers; create the environment if it is missing or incomplete."""
    chosen = os.environ.get("GODEEPER_BENCH_PYTHON")
    if chosen:
        return Path(chosen)
    finished = PEERS_ENVIRONMENT / "finished"
    executable = PEERS_ENVIRONMENT / "bin" / "python"
    if not finished.exists() or finished.read_text() != str(INSTALLS):
        print(f"installing the peers into {PEERS_ENVIRONMENT}: about 3 GB", file=sys.stderr)
        venv.create(PEERS_ENVIRONMENT, clear=True, with_pip=True)
        for packages in INSTALLS:
            subprocess.run([executable, "-m", "pip", "install", "--quiet", *packages], check=True)
        finished.write_text(str(INSTALLS))
    return executable


if __name__ == "__main__":
    print(python())
