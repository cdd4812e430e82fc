"""A classifier as a user of fastai would train it: ``fine_tune(1)`` of torchvision's Inception v3.

    python fastai_classifier.py FOLDER WEIGHTS.pth

``FOLDER`` contains ``train`` and ``test``, each with one folder per class.  Prints one line of JSON: the accuracy on ``test``
and the number of photos in it.
"""

import json
import sys

import torch  # type: ignore[import-not-found, unused-ignore]  # only the peers' environment has it

operators = torch.library.Library("torchvision", "DEF")  # see torchvision_script.py for the reason
for operator in ("nms", "qnms"):
    operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from fastai.vision.all import (  # type: ignore[import-not-found, unused-ignore]  # noqa: E402 (the operators must be defined first)
    ImageDataLoaders,
    Normalize,
    Resize,
    ResizeMethod,
    accuracy,
    set_seed,
    vision_learner,
)
from torchvision.models import inception_v3  # noqa: E402

CHILDREN_OF_THE_CLASSIFIER = 3  # average pool, dropout, dense layer

folder, weights_path = sys.argv[1:3]


def body(pretrained: bool) -> torch.nn.Module:  # noqa: ARG001, FBT001 (fastai's signature)
    """Return Inception v3 with the bundled weights, without the auxiliary classifier, so that its children run in sequence."""
    model = inception_v3(weights=None, init_weights=False)
    model.load_state_dict(torch.load(weights_path, weights_only=True))
    model.AuxLogits = None
    return model


set_seed(0)
loaders = ImageDataLoaders.from_folder(
    folder,
    train="train",
    valid="test",
    item_tfms=Resize(299, method=ResizeMethod.Squish),
    batch_tfms=Normalize.from_stats([0.5] * 3, [0.5] * 3, cuda=False),
    bs=32,
    num_workers=2,
    device=torch.device("cpu"),
)
learner = vision_learner(
    loaders, body, pretrained=False, cut=-CHILDREN_OF_THE_CLASSIFIER, normalize=False, metrics=accuracy
)
with learner.no_bar(), learner.no_logging():
    learner.fine_tune(1)
    _, score = learner.validate()
print(json.dumps({"accuracy": float(score), "photos": len(loaders.valid_ds)}))
