"""Maps workers over rows with Ray Data: in the driver's process or, for a driver outside the cluster, in an actor."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from .worker import Parcel, Worker

Row = dict[str, Any]  # number: int, items: bytes
Result = tuple[int, bytes, bytes]  # number, result, error


def mapped(parcel: Parcel, rows: Sequence[Row], workers: int, cores: int) -> Generator[Result, None, None]:
    """Yield the number, result and error of each row, in the order in which the rows finish."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    data = ray.data.from_items(list(rows), override_num_blocks=len(rows)).map_batches(
        Worker,
        batch_size=1,
        batch_format="pyarrow",
        fn_constructor_args=(parcel,),
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=cores,
        max_restarts=parcel["attempts"],  # Ray Data's default has no limit
        max_task_retries=parcel["attempts"],
    )
    table: Any
    for table in data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for row in table.to_pylist():
            yield row["number"], row["result"], row["error"]


class Coordinator:
    """Runs ``mapped`` as an actor in the cluster, because Ray's client cannot use Ray Data's actors."""

    def __init__(self, parcel: Parcel, rows: Sequence[Row], workers: int, cores: int) -> None:
        self.results = mapped(parcel, rows, workers, cores)

    def next(self) -> Result | None:
        """The next result; None at the end."""
        return next(self.results, None)
