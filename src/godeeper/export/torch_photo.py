"""Preprocessing in torch, for export: ``photos.preprocess`` from a photo's pixels to the network's input.

The resize reproduces Pillow's with the method of ``graph_photo``.  torch's own antialiased resize differs by one level in
about 1 of 300 values, and in more values if Pillow resizes the height first.
"""

# mypy: disable-error-code="import-not-found,misc,no-any-return"

from __future__ import annotations

from collections.abc import Callable

from ..engine.torch.operations import nn, torch
from ..photos.preprocess import Preprocess
from .graph_photo import HEIGHT_FIRST_SINCE, PRECISION, colours, pillow_version


class TorchPhoto(nn.Module):
    """Preprocesses a photo: (H, W, 3) uint8 -> (1, 3, size, size) float32."""

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__()
        self.preprocess = preprocess
        self.register_buffer("subtract", torch.from_numpy(colours(preprocess.subtract)))
        self.register_buffer("divide", torch.from_numpy(colours(preprocess.divide)))

    def forward(self, photo: torch.Tensor) -> torch.Tensor:
        used = cropped(photo) if self.preprocess.fit == "crop" else photo
        planes = self.squared(used.permute(2, 0, 1))
        return ((planes - self.subtract) / self.divide)[None]

    def squared(self, planes: torch.Tensor) -> torch.Tensor:
        """Resize (3, H, W) uint8 to (3, size, size) float32."""
        size = self.preprocess.size
        if self.preprocess.filter == "tf2015":
            return both_sides(planes.float(), size, along_tf2015)
        if self.preprocess.fit == "crop" or pillow_version() < HEIGHT_FIRST_SINCE:
            return both_sides(planes.double(), size, along_antialias).float()
        return tall_first(planes.double(), size).float()


def cropped(photo: torch.Tensor) -> torch.Tensor:
    """The central square of a photo."""
    height, width = photo.shape[:2]
    side = torch.sym_min(height, width)
    for axis, whole in enumerate((height, width)):
        photo = photo.index_select(axis, (whole - side) // 2 + torch.arange(side, device=photo.device))
    return photo


def both_sides(planes: torch.Tensor, size: int, along: Callable[[torch.Tensor, int], torch.Tensor]) -> torch.Tensor:
    """Resize (3, M, N) to (3, size, size): the last axis first, then the other."""
    return along(along(planes, size).transpose(1, 2), size).transpose(1, 2)


def tall_first(planes: torch.Tensor, size: int) -> torch.Tensor:
    """Resize (3, H, W) to (3, size, size), the height first if Pillow resizes it first."""
    height, width = planes.shape[1:]
    tall = height - size > torch.sym_max(2 * (width - size), 0)
    return torch.cond(
        tall,
        lambda each: both_sides(each.transpose(1, 2), size, along_antialias).transpose(1, 2).contiguous(),
        lambda each: both_sides(each, size, along_antialias).contiguous(),
        (planes,),
    )


def along_antialias(planes: torch.Tensor, size: int) -> torch.Tensor:
    """Resize (3, M, N) to (3, M, size) float64 with Pillow's bilinear filter, rounded to whole levels."""
    cells = planes.shape[2]
    centre_in = (2 * torch.arange(cells, device=planes.device) + 1)[:, None] * size
    centre_out = (2 * torch.arange(size, device=planes.device) + 1)[None] * cells
    weight = (2 * torch.sym_max(cells, size) - (centre_in - centre_out).abs()).clamp(min=0).double()
    fixed = torch.floor(weight * 2**PRECISION / weight.sum(0, keepdim=True) + 0.5)  # (N, size)
    return torch.floor((planes @ fixed + 2 ** (PRECISION - 1)) / 2**PRECISION)


def along_tf2015(planes: torch.Tensor, size: int) -> torch.Tensor:
    """Resize (3, M, N) to (3, M, size) with the bilinear filter of the 2015 graph, in the same order of operations."""
    cells = planes.shape[2]
    scale = torch.full((1,), cells, dtype=torch.float32, device=planes.device) / size
    position = torch.arange(size, dtype=torch.float32, device=planes.device) * scale
    lower = position.floor().long()
    upper = (lower + 1).clamp(max=cells - 1)
    first, second = planes[:, :, lower], planes[:, :, upper]
    return first + (second - first) * (position - lower.float())
