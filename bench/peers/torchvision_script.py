"""The blog's first picture as a user of torchvision would draw it, from JPEG to PNG.

    python torchvision_script.py PHOTO WEIGHTS.pth PICTURE.png [VALUES.npy]

The fourth argument writes the values for comparison; timed runs omit it.
"""

import sys

import numpy as np
import torch  # type: ignore[import-not-found, unused-ignore]  # only the peers' environment has it
from PIL import Image

# This is needed because we combine a CPU build of torch with a torchvision that was built for CUDA, whose compiled part
# then does not load. Inception v3 does not use that part, but `import torchvision` needs these two operators.
operators = torch.library.Library("torchvision", "DEF")
for operator in ("nms", "qnms"):
    operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision import transforms  # noqa: E402 (the operators must be defined first)
from torchvision.models import inception_v3  # noqa: E402
from torchvision.models.feature_extraction import create_feature_extractor  # noqa: E402

photo, weights, picture = sys.argv[1:4]

prepare = transforms.Compose(
    [
        transforms.Resize((299, 299)),
        transforms.ToTensor(),
        transforms.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
    ]
)
x = prepare(Image.open(photo).convert("RGB")).unsqueeze(0)

model = inception_v3(weights=None, init_weights=False)
model.load_state_dict(torch.load(weights, weights_only=True))
extractor = create_feature_extractor(model.eval(), {"Mixed_5b.branch_pool": "filters"})
with torch.inference_mode():
    filters = extractor(x)["filters"][0].numpy()  # (32, 35, 35)

grey = (filters - filters.min()) / (filters.max() - filters.min())
mosaic = grey.reshape(4, 8, 35, 35).transpose(0, 2, 1, 3).reshape(4 * 35, 8 * 35)
Image.fromarray((mosaic * 255).astype(np.uint8)).save(picture)

if len(sys.argv) > 4:
    np.save(sys.argv[4], filters)
