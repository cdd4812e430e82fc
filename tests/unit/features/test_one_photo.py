"""A photo has the same values, bit for bit, whether it is computed alone or with others."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from examples.collage import write_crops

from godeeper.blueprint.address import resolve_one
from godeeper.features.stream import stream
from godeeper.filters.top_photos import top_photos
from godeeper.network import load

ADDRESS = "mixed_2/join"
FILTERS = "mixed_2/tower_2/conv[0:8]"


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Nine photos: a batch of eight and a batch of one."""
    folder = tmp_path_factory.mktemp("nine")
    write_crops(folder / "crops")
    crops = sorted((folder / "crops").rglob("*.png"))[:9]
    return [Path(shutil.copy(path, folder / f"{number}.png")) for number, path in enumerate(crops)]


@pytest.mark.parametrize("place", [0, 8])
def test_embed(nine: list[Path], place: int) -> None:
    """``embed`` gives a photo the same features alone and with others."""
    among = np.concatenate([batch.features[ADDRESS] for batch in stream(load(), nine, [ADDRESS])])
    [alone] = stream(load(), [nine[place]], [ADDRESS])
    np.testing.assert_array_equal(alone.features[ADDRESS][0], among[place])


@pytest.mark.parametrize("place", [0, 8])
def test_top(nine: list[Path], place: int) -> None:
    """``top`` finds the same values at the same places in a photo alone and with others."""
    tensor = resolve_one(load().blueprint, FILTERS)
    among, alone = (top_photos(load(), paths, tensor, 9).filters for paths in (nine, [nine[place]]))
    for some, [one] in zip(among, (found.activations for found in alone), strict=True):
        assert one.cell == next(each.cell for each in some.activations if each.path == nine[place])
