"""Lucent's part of ``bench.speed.visualise``.  It runs in the peers' environment, where godeeper is not installed.

python visualise_inside.py SOURCE FOLDER MODULE STEPS FILTER …   # writes FOLDER/FILTER.png
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

source, folder, module, steps, *numbers = sys.argv[1:]
sys.path.insert(0, source)

import torch  # noqa: E402

# See torchvision_script.py for the reason.
operators = torch.library.Library("torchvision", "DEF")
for operator in ("nms", "qnms"):
    operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from lucent.optvis import objectives, param, render, transform  # noqa: E402
from PIL import Image  # noqa: E402

import godeeper  # noqa: E402

SIDE = 299


def main() -> None:
    network = godeeper.load().to_torch().eval()
    layer = f"{module}.bn".replace(".", "_")  # before the ReLU, as godeeper's objective
    seconds = 0.0
    for number in numbers:
        started = time.perf_counter()
        [picture] = render.render_vis(
            network,
            objectives.channel(layer, int(number)),
            lambda: param.image(SIDE, fft=True, decorrelate=True),
            thresholds=(int(steps),),
            transforms=[*transform.standard_transforms, lambda image: 2 * image - 1],  # the network's scaling
            preprocess=False,
            progress=False,
            show_image=False,
        )
        seconds += time.perf_counter() - started
        pixels = (picture[0] * 255).round().clip(0, 255).astype("uint8")
        Image.fromarray(pixels).save(Path(folder) / f"{number}.png")
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
