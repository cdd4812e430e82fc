"""Features of a folder of JPEGs as a user of Ray Data and torchvision would compute them.

    python ray_data_folder.py FOLDER WEIGHTS.pth FEATURES.npy

Writes 2,048 features per photo.  Prints a JSON list: the photos per second after the first batch, and the seconds until the first
batch was computed.
"""

# mypy: disable-error-code="import-not-found,misc,no-untyped-call,no-untyped-def,unused-ignore"
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import ray

folder, weights, features = sys.argv[1:4]
BATCH = 32


class Features:
    """Computes features; each worker has one instance."""

    def __init__(self) -> None:
        self.operators = torch.library.Library("torchvision", "DEF")  # see torchvision_script.py for the reason
        for operator in ("nms", "qnms"):
            self.operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from torchvision import transforms
        from torchvision.models import inception_v3

        self.prepare = transforms.Compose(
            [
                transforms.Resize((299, 299)),
                transforms.ToTensor(),
                transforms.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
            ]
        )
        self.model = inception_v3(weights=None, init_weights=False)
        self.model.load_state_dict(torch.load(weights, weights_only=True))
        self.model.fc = torch.nn.Identity()
        self.model.eval()

    def __call__(self, batch):
        photos = torch.stack([self.prepare(Image.open(path).convert("RGB")) for path in batch["path"]])
        with torch.inference_mode():
            return {"path": batch["path"], "features": self.model(photos).numpy()}


started = time.perf_counter()
cores = os.cpu_count() or 1
paths = [{"path": str(path)} for path in sorted(Path(folder).rglob("*.jpg"))]
data = ray.data.from_items(paths, override_num_blocks=-(-len(paths) // BATCH)).map_batches(
    Features, batch_size=BATCH, num_cpus=cores, compute=ray.data.ActorPoolStrategy(size=1)
)
found: dict[str, np.ndarray] = {}
reports, done = [], 0
for table in data.iter_batches(batch_size=BATCH):
    found |= dict(zip(table["path"], table["features"], strict=True))
    done += len(table["path"])
    reports.append((time.perf_counter(), done))
np.save(features, np.stack([found[each["path"]] for each in paths]))
(begin, first), (end, last) = reports[0], reports[-1]
print(json.dumps([(last - first) / (end - begin), begin - started]))
