"""Contributions compared with PyTorch's autograd: with fixed ReLUs, a term is gradient times value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.filters.random_network import random_network

from godeeper.blueprint.address import Tensor, stages
from godeeper.filters.contributions.record import Contributions
from godeeper.network import Network
from godeeper.photos.decode import decode

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TOLERANCE = 1e-4  # of the greatest term
WHOLE_WAY = 99  # convolutions; more than any network has


def in_torch(network: Network, photo: Path, found: Contributions) -> dict[str, np.ndarray]:
    """Return address of an input tensor -> gradient times value, summed over positions, (C,); ``""`` -> the filter's value."""
    torch = pytest.importorskip("torch")
    from godeeper.engine.torch.network import capture

    module = network.to_torch()
    fix_norms(module)
    stage = Tensor(found.tensor.site, stages(found.tensor.site)[1]).name
    read = {term.site for term in found.terms}
    x = torch.from_numpy(network.preprocess(decode(photo))).requires_grad_()
    inner = [site.address for site in read if not site.is_photo_step]
    with capture(module, [stage, *inner]) as seen:
        module(x)
    value = seen[stage][0, found.tensor.filters[0], found.cell.row, found.cell.column]
    tensors = {site.address: x if site.is_photo_step else seen[site.address] for site in read}
    gradients = torch.autograd.grad(value, list(tensors.values()))
    sums = {
        address: (gradient * tensor).double().sum(dim=(0, 2, 3)).detach().numpy()
        for (address, tensor), gradient in zip(tensors.items(), gradients, strict=True)
    }
    return sums | {"": value.detach().numpy()}


def fix_norms(module: Any) -> None:
    """Make each local response normalisation treat its factors as constants, as contributions do."""
    import torch

    for norm in [each for each in module.modules() if isinstance(each, torch.nn.LocalResponseNorm)]:
        size, alpha, beta, k = norm.size, norm.alpha, norm.beta, norm.k

        def forward(x: Any, size: int = size, alpha: float = alpha, beta: float = beta, k: float = k) -> Any:
            squares = torch.nn.functional.pad(x * x, (0, 0, 0, 0, size // 2, (size - 1) // 2))
            sums = sum((squares[:, first : first + x.shape[1]] for first in range(size)), torch.zeros_like(x))
            return x * ((k + alpha / size * sums) ** -beta).detach()

        norm.forward = forward


def check(network: Network, photo: Path, address: str, depth: int) -> None:
    """Assert that all terms and the filter's value agree with PyTorch's."""
    found = network.contributions(photo, address, depth=depth)
    expected = in_torch(network, photo, found)
    np.testing.assert_allclose(found.value, expected[""], rtol=1e-3)
    got = np.array([term.value for term in found.terms])
    theirs = np.array([expected[term.site.address][term.channel] for term in found.terms])
    assert np.abs(got - theirs).max() <= TOLERANCE * np.abs(theirs).max()


@pytest.mark.parametrize(
    "address", ["conv_3[9]", "mixed/tower_2/conv[3]", "mixed_3/conv[100]", "mixed_9/tower/mixed/conv[7]"]
)
def test_one_level(net: Network, chelsea: Path, address: str) -> None:
    """The terms agree if the filter reads a tensor directly, through a join, or through a pool."""
    check(net, chelsea, address, 1)


@pytest.mark.parametrize("depth", [2, 3, 4, 5])
def test_several_levels(net: Network, chelsea: Path, depth: int) -> None:
    """The terms agree at several depths along a branch.

    Each tensor of the branch is read at one depth only, so autograd's gradient belongs to that depth.
    """
    check(net, chelsea, "mixed_4/tower_1/conv_4[17]", depth)
    check(net, chelsea, "conv_4[30]", depth)


@pytest.mark.parametrize("address", ["mixed_1/tower_1/conv_2[5]", "mixed_4/conv[3]"])
def test_down_to_the_photo(net: Network, chelsea: Path, address: str) -> None:
    """The contributions of the photo's pixels, through all joins, pools and ReLUs, agree."""
    check(net, chelsea, address, WHOLE_WAY)


@pytest.mark.parametrize(
    ("architecture", "dialect", "address"),
    [
        ("googlenet", "torchvision", "inception_4a/3x3[11]"),
        ("googlenet", "bvlc", "inception_3b/5x5[11]"),
        ("googlenet", "inception5h", "inception_3b/5x5[11]"),
        ("inception_v3", "torchvision", "mixed_4/tower_2/conv[11]"),
        ("inception_v3", "2015", "mixed_4/tower_2/conv[11]"),
        ("inception_v4", "timm", "Mixed_5b/Branch_3/Conv2d_0b_1x1[11]"),
    ],
)
def test_other_networks_down_to_the_photo(
    architecture: str, dialect: str, address: str, chelsea: Path, tmp_path: Path
) -> None:
    """The contributions of the photo's pixels agree in other networks, whose padding and pools differ."""
    check(random_network(tmp_path, architecture, dialect), chelsea, address, WHOLE_WAY)
