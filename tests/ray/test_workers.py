"""The same bytes for 1 worker of 8 cores and 8 workers of 1 core, on a Ray that is configured for 8 cores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import godeeper
from godeeper.features.executors import cluster
from godeeper.features.executors.on_ray import OnRay
from godeeper.features.stream import stream

pytest.importorskip("ray")
pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]  # as in test_on_ray.py

CORES = 8
ADDRESS = "mixed_4/tower/conv"  # the first tensor whose last bits differ between one torch thread and several


@pytest.fixture(scope="module")
def _eight_cores() -> Iterator[None]:
    """Ray on this machine, configured for 8 cores even if there are fewer."""
    cluster.set_private()
    ray = cluster.imported()
    with cluster.silence():
        ray.init(
            address="local",
            num_cpus=CORES,
            include_dashboard=False,
            log_to_driver=False,
            _node_ip_address=cluster.LOOPBACK,
        )
        yield
        ray.shutdown()


@pytest.mark.usefixtures("_eight_cores")
@pytest.mark.parametrize(("engine", "chunk", "numbers"), [("onnxruntime", 3, (1, 8)), ("torch", 13, (8,))])
def test_any_number_of_workers(photos: Path, engine: str, chunk: int, numbers: tuple[int, ...]) -> None:
    """For any number of workers, features equal those of a local run to the last bit.

    Torch takes seconds to import, so its run has only two chunks: only two workers of one core start.
    """
    pytest.importorskip(engine)
    network = godeeper.load(engine=engine)
    paths = sorted(map(str, photos.rglob("*.png")))[:25]
    here = np.concatenate([batch.features[ADDRESS] for batch in stream(network, paths, [ADDRESS])])
    for workers in numbers:
        with OnRay("ray", chunk=chunk, cores=CORES // workers) as executor:
            assert executor.cluster.layout() == (workers, CORES // workers)
            batches = list(stream(network, paths, [ADDRESS], executor=executor))
        np.testing.assert_array_equal(np.concatenate([batch.features[ADDRESS] for batch in batches]), here)
