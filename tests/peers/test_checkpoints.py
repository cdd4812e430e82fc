"""PyTorch checkpoints that are nested and contain settings are read without PyTorch."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from godeeper.errors import WeightsError
from godeeper.weights.formats import read_foreign

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.peers


def weights(change: float = 0.0) -> dict[str, Any]:
    """Return a state dict of two random tensors, with ``change`` added to every value."""
    generator = torch.Generator().manual_seed(1)
    return {name: torch.rand(3, 4, generator=generator) + change for name in ("a.weight", "b.weight")}


def lightning() -> dict[str, Any]:
    """Return a checkpoint as Lightning's Trainer writes it."""
    return {
        "epoch": 3,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": {f"net.{name}": values for name, values in weights().items()},
        "hyper_parameters": {"lr": 0.1, "args": argparse.Namespace(path=Path("data"))},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3, 4)}}, "param_groups": [{"params": [0]}]}],
        "lr_schedulers": [],
        "callbacks": {"ModelCheckpoint{'mode': 'min'}": {"best_model_score": torch.tensor(0.5), "path": Path("x")}},
    }


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lightning, {"net.a.weight", "net.b.weight"}),
        (lambda: {"state_dict": weights(), "args": argparse.Namespace(lr=0.1)}, {"a.weight", "b.weight"}),
        (
            lambda: {"state_dict": weights(), "state_dict_ema": weights(1), "optimizer": {"state": {}}},
            {f"{key}.{name}" for key in ("state_dict", "state_dict_ema") for name in weights()},
        ),
        (lambda: {"model": {"net": weights()}}, {"model.net.a.weight", "model.net.b.weight"}),
        (lambda: torch.nn.Sequential(torch.nn.Linear(2, 3)).state_dict(), {"0.weight", "0.bias"}),
    ],
    ids=["lightning", "arguments", "averages", "nested", "plain"],
)
def test_nested_checkpoints_are_read(tmp_path: Path, make: Callable[[], Any], names: set[str], *, legacy: bool) -> None:
    """Every tensor is found by its path of keys, and the optimiser's tensors are skipped."""
    path = tmp_path / "checkpoint.ckpt"
    torch.save(make(), path, _use_new_zipfile_serialization=not legacy)
    assert set(read_foreign(path).tensors) == names


def test_a_whole_model_is_identified(tmp_path: Path) -> None:
    """A pickled model is refused without importing its class, and the error says what to save instead."""
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 3)), path)
    with pytest.raises(WeightsError, match=r"torch\.nn\..*Sequential, which was not run: a whole model"):
        read_foreign(path)
