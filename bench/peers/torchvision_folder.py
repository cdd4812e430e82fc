"""Features of a folder of JPEGs as a user of torchvision would compute them.

    python torchvision_folder.py FOLDER WEIGHTS.pth FEATURES.npy

The last pooling layer returns 2,048 features per photo.
"""

# mypy: disable-error-code="import-not-found,misc,unused-ignore"
import os
import sys
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

prepare = transforms.Compose(
    [
        transforms.Resize((299, 299)),
        transforms.ToTensor(),
        transforms.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
    ]
)


class Photos(torch.utils.data.Dataset):
    """The JPEGs of a folder, sorted by name."""

    def __init__(self) -> None:
        self.paths = sorted(Path(folder).glob("*.jpg"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> "torch.Tensor":
        return prepare(Image.open(self.paths[number]).convert("RGB"))


model = inception_v3(weights=None, init_weights=False)
model.load_state_dict(torch.load(weights, weights_only=True))
model.fc = torch.nn.Identity()
model.eval()
with torch.inference_mode():
    loader = torch.utils.data.DataLoader(Photos(), batch_size=32, num_workers=os.cpu_count() or 1)
    np.save(features, torch.cat([model(batch) for batch in loader]).numpy())
