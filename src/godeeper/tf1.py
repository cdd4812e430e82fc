"""``run(fetches, feeds)`` in the calling style of TensorFlow 1: compute any tensor from any earlier tensors.

Arrays that are fed or fetched are (B, H, W, C), as in TensorFlow 1; everywhere else in godeeper they are (B, C, H, W).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .blueprint.address import Tensor, resolve_one
from .blueprint.sites import sites
from .engine.plan import NETWORK_INPUT, Key, key_of, plan
from .errors import FeedError
from .photos.input_steps import PhotoSteps
from .photos.preprocess import Preprocess, to_pixels, to_planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .engine.engines import Engine

    Floats = NDArray[np.float32]


def run(engine: Engine, preprocess: Preprocess, fetches: str | Sequence[str], feeds: Mapping[str, Any]) -> Any:
    """Compute tensors from other tensors; see ``Network.run``."""
    blueprint = engine.weights.blueprint
    texts = [fetches] if isinstance(fetches, str) else fetches
    tensors = [resolve_one(blueprint, text) for text in texts]
    steps, inner = split_feeds(engine, preprocess, feeds)
    values = compute(engine, list(dict.fromkeys(map(key_of, tensors))), inner, steps)
    results = [fetched(tensor, values[key_of(tensor)]) for tensor in tensors]
    return results[0] if isinstance(fetches, str) else results


def split_feeds(
    engine: Engine, preprocess: Preprocess, feeds: Mapping[str, Any]
) -> tuple[PhotoSteps | None, dict[Key, Floats]]:
    """Split feeds into the steps of the photo's preprocessing and inner tensors (B, C, H, W); raises ``FeedError``."""
    steps = None
    inner: dict[Key, Floats] = {}
    for text, value in feeds.items():
        tensor = resolve_one(engine.weights.blueprint, text)
        if tensor.channels is not None:
            raise FeedError(f"{text!r}: only a whole tensor can be fed, not some of its channels")
        if not tensor.site.is_photo_step:
            inner[key_of(tensor)] = as_planes(tensor, value)
        elif steps is None:
            steps = PhotoSteps(preprocess, tensor.site.kind, value)
        else:
            raise FeedError(f"{text!r} is a second feed for the photo: feed one step of it")
    return steps, inner


def compute(
    engine: Engine, keys: Sequence[Key], inner: Mapping[Key, Floats], steps: PhotoSteps | None
) -> dict[Key, Any]:
    """The values of ``keys``: (B, H, W, C) for steps of the photo's preprocessing, (B, C, H, W) or (B, C) for all others."""
    all_sites = sites(engine.weights.blueprint)
    photo_keys = [key for key in keys if all_sites[key.site].is_photo_step]
    if photo_keys and steps is None:
        raise FeedError(
            "the steps of the photo's preprocessing can be fetched only if a photo is fed: feed one of them"
        )
    values: dict[Key, Any] = {key: steps.value(all_sites[key.site].kind) for key in photo_keys if steps}
    wanted = [key for key in keys if key not in values]
    if wanted or inner:
        feeds = dict(inner)
        if steps is not None:
            feeds[NETWORK_INPUT] = to_planes(steps.value("multiply"))
        check_batches(feeds)
        values = feeds | engine.run(plan(engine.weights.blueprint, wanted, tuple(feeds)), feeds) | values
    return {key: values[key] for key in keys}


def as_planes(tensor: Tensor, value: Any) -> Floats:
    """A fed array as (B, C, H, W), or (B, C) if the tensor has no grid; raises ``FeedError`` if its shape is wrong."""
    array = np.asarray(value, np.float32)
    channels, height, width = tensor.site.shape
    flat = tensor.site.kind in ("reshape", "dense", "softmax")
    expected = (channels,) if flat else (height, width, channels)
    if array.shape[1:] != expected or not array.size:
        hint = (
            "; it seems to be (B, C, H, W): transpose it" if array.shape[1:] == tensor.site.shape and not flat else ""
        )
        wanted = ", ".join(map(str, ("B", *expected)))
        raise FeedError(f"{tensor.name} was fed an array of shape {array.shape}: expected ({wanted}){hint}")
    return array if flat else to_planes(array)


def check_batches(feeds: Mapping[Key, Floats]) -> None:
    """Raise ``FeedError`` unless all feeds have the same batch size."""
    sizes = {len(value) for value in feeds.values()}
    if len(sizes) > 1:
        raise FeedError(
            f"the feeds have batch sizes {' and '.join(map(str, sorted(sizes)))}: expected one size for all"
        )


def fetched(tensor: Tensor, value: Any) -> Any:
    """A computed value as ``run`` returns it: channels last, and only the channels that the address names."""
    if tensor.site.is_photo_step:
        return value if tensor.channels is None else value[..., list(tensor.channels)]
    value = value if tensor.channels is None else value[:, list(tensor.channels)]
    return to_pixels(value) if value.ndim == 4 else value
