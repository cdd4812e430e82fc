"""Convert the bundled weights to the file formats of torchvision (``.pth``) and Keras (``.weights.h5``).

    python convert.py NUMBERS.npz TORCHVISION.pth KERAS.weights.h5

Runs once in the peers' environment, and is not timed.  ``NUMBERS.npz`` holds, for the
convolution ``n`` (counted from 0, in order of creation), ``n.name`` (its torchvision name), ``n.kernel``
(OIHW), ``n.beta``, ``n.mean`` and ``n.variance``.  The bundled weights have no classification layers, so these keep the
framework's initial values; no picture depends on them.
"""

import sys

import keras
import numpy as np
import torch  # type: ignore[import-not-found, unused-ignore]  # only the peers' environment has it

operators = torch.library.Library("torchvision", "DEF")  # see torchvision_script.py for the reason
for operator in ("nms", "qnms"):
    operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torchvision.models import inception_v3  # noqa: E402 (the operators must be defined first)

CONVS = 94


def main() -> None:
    numbers = np.load(sys.argv[1])
    write_torchvision(numbers, sys.argv[2])
    write_keras(numbers, sys.argv[3])


def write_torchvision(numbers: "np.lib.npyio.NpzFile", path: str) -> None:
    """Write a complete state dict, as in the published files; a name that torchvision does not have raises ``KeyError``."""
    model = inception_v3(weights=None, init_weights=False)
    state = model.state_dict()
    for n in range(CONVS):
        name = str(numbers[f"{n}.name"])
        for theirs, ours in (
            ("conv.weight", "kernel"),
            ("bn.bias", "beta"),
            ("bn.running_mean", "mean"),
            ("bn.running_var", "variance"),
        ):
            target = state[f"{name}.{theirs}"]
            target.copy_(torch.from_numpy(numbers[f"{n}.{ours}"]).reshape(target.shape))
        state[f"{name}.bn.weight"].fill_(1)
    torch.save(state, path)


def write_keras(numbers: "np.lib.npyio.NpzFile", path: str) -> None:
    """Write the layers in order of creation, which is the order of the numbers in their names but not of ``model.layers``."""
    model = keras.applications.InceptionV3(weights=None)
    layers = {layer.name: layer for layer in model.layers}
    for n in range(CONVS):
        number = f"_{n}" if n else ""
        kernel = numbers[f"{n}.kernel"].transpose(2, 3, 1, 0)  # HWIO
        layers[f"conv2d{number}"].set_weights([kernel])
        layers[f"batch_normalization{number}"].set_weights(
            [numbers[f"{n}.{what}"] for what in ("beta", "mean", "variance")]
        )
    model.save_weights(path)


main()
