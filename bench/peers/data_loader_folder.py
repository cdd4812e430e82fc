"""Features of a folder of JPEGs as a user of PyTorch's DataLoader and torchvision would compute them.

    python data_loader_folder.py FOLDER WEIGHTS.pth FEATURES.npy

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

operators = torch.library.Library("torchvision", "DEF")  # see torchvision_script.py for the reason
for operator in ("nms", "qnms"):
    operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision import transforms  # noqa: E402 (the operators must be defined first)
from torchvision.models import inception_v3  # noqa: E402

folder, weights, features = sys.argv[1:4]
BATCH = 32


class Photos(torch.utils.data.Dataset):
    """The JPEGs below a folder, sorted by path."""

    def __init__(self, folder: str) -> None:
        self.paths = sorted(Path(folder).rglob("*.jpg"))
        self.prepare = transforms.Compose(
            [
                transforms.Resize((299, 299)),
                transforms.ToTensor(),
                transforms.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> "torch.Tensor":
        return self.prepare(Image.open(self.paths[number]).convert("RGB"))


started = time.perf_counter()
model = inception_v3(weights=None, init_weights=False)
model.load_state_dict(torch.load(weights, weights_only=True))
model.fc = torch.nn.Identity()
model.eval()
reports, parts, done = [], [], 0
with torch.inference_mode():
    for batch in torch.utils.data.DataLoader(Photos(folder), batch_size=BATCH, num_workers=os.cpu_count() or 1):
        parts.append(model(batch).numpy())
        done += len(parts[-1])
        reports.append((time.perf_counter(), done))
np.save(features, np.concatenate(parts))
(begin, first), (end, last) = reports[0], reports[-1]
print(json.dumps([(last - first) / (end - begin), begin - started]))
