"""Features of a folder of JPEGs as a user of Ray Data and torchvision would compute them.

    python ray_data_folder.py FOLDER

Prints photos per second after the first results, and seconds to these, as JSON.
"""

# mypy: disable-error-code="import-not-found,misc,no-untyped-call,no-untyped-def,unused-ignore"
import json
import os
import sys
import time
from pathlib import Path

import torch
from PIL import Image

import ray

BATCH = 32


class Features:
    """The network, in each worker."""

    def __init__(self) -> None:
        self.operators = torch.library.Library("torchvision", "DEF")  # why: see torchvision_script.py
        for operator in ("nms", "qnms"):
            self.operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from torchvision import transforms
        from torchvision.models import inception_v3

        self.prepare = transforms.Compose([transforms.Resize((299, 299)), transforms.ToTensor()])
        self.model = inception_v3(weights=None, init_weights=False).eval()
        self.model.fc = torch.nn.Identity()

    def __call__(self, batch):
        photos = torch.stack([self.prepare(Image.open(path).convert("RGB")) for path in batch["path"]])
        with torch.inference_mode():
            return {"path": batch["path"], "features": self.model(photos).numpy()}


started = time.perf_counter()
cores = os.cpu_count() or 1
paths = [{"path": str(path)} for path in sorted(Path(sys.argv[1]).rglob("*.jpg"))]
data = ray.data.from_items(paths, override_num_blocks=-(-len(paths) // BATCH)).map_batches(
    Features, batch_size=BATCH, num_cpus=cores, compute=ray.data.ActorPoolStrategy(size=1)
)
reports, done = [], 0
for table in data.iter_batches(batch_size=BATCH):
    done += len(table["path"])
    reports.append((time.perf_counter(), done))
(begin, first), (end, last) = reports[0], reports[-1]
print(json.dumps([(last - first) / (end - begin), begin - started]))
