"""Photos that are not files: NumPy arrays, tensors and file-like objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

from ..errors import PhotoError

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXPECTED = "expected uint8 (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)"
CHANNELS = (1, 3, 4)
ROWS = 64  # rows rounded at once; few, so that the 32-bit intermediate values take little memory


class Readable(Protocol):
    """An open file, or any object whose ``read`` returns the bytes of a photo's file."""

    def read(self) -> Any: ...


class ArrayLike(Protocol):
    """A NumPy array, or an object that NumPy converts to one: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8."""

    def __array__(self) -> Any: ...


def read_object(source: Any, name: str) -> bytes:
    """Read the bytes of a file-like object; raises ``PhotoError``."""
    try:
        data = source.read()
    except (OSError, ValueError) as error:
        raise PhotoError(f"{name}: cannot read it ({error})") from None
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise PhotoError(f"{name}: its read() returned {type(data).__name__}, expected bytes: open it with mode 'rb'")
    return bytes(data)


def name_of_object(source: Any) -> str:
    """The file name of a file-like object, without folders; "bytes" if it has none."""
    name = getattr(source, "name", None)
    return name.replace("\\", "/").rpartition("/")[2] if isinstance(name, str) and name else "bytes"


def image_of_array(array: Any) -> Image.Image:
    """A Pillow image of an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) of uint8; raises ``PhotoError``."""
    values = as_array(array)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    fits = values.ndim == 2 or (values.ndim == 3 and values.shape[2] in CHANNELS)
    if values.dtype != np.uint8 or not fits or not values.size:
        raise PhotoError(f"{kind(array, values)} is not a photo; {EXPECTED}{advice(array, values)}")
    return Image.fromarray(np.ascontiguousarray(values))


def rounded_to_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Round integers (H, W) from 0 to 65,535 to the nearest of 256 levels."""
    levels = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), ROWS):
        levels[row : row + ROWS] = (values[row : row + ROWS].astype(np.uint32) * 255 + 32767) // 65535
    return levels


def as_array(array: Any) -> NDArray[Any]:
    """Convert to a NumPy array; raises ``PhotoError`` with a hint for tensors."""
    try:
        return np.asarray(array)
    except Exception as error:  # tensors on a GPU, or with gradients, raise their framework's errors
        reason = " ".join(str(error).split())[:120]
        hint = "; call .detach().cpu().numpy()" if hasattr(array, "detach") else ""
        raise PhotoError(
            f"{type(array).__name__} cannot be converted to an array ({reason}); {EXPECTED}{hint}"
        ) from None


def kind(source: Any, values: NDArray[Any]) -> str:
    """Describe the received object by its dtype and shape, or by its type if it is not numeric."""
    if values.dtype == object or values.dtype.kind in "US":
        return f"an object of type {type(source).__name__}"
    return f"an array of {values.dtype} with shape {values.shape}"


def advice(source: Any, values: NDArray[Any]) -> str:
    """The end of the error message: how to convert the object's axes and values."""
    if values.dtype == object or values.dtype.kind in "US":
        return ", or a path, bytes, an open file or a Pillow image"
    if not values.size:
        return ": it is empty"
    steps = [step for step in (axes_advice(source, values), number_advice(values)) if step]
    return f": {', then '.join(steps)}" if steps else ""


def axes_advice(source: Any, values: NDArray[Any]) -> str:
    """How to reorder the axes to (H, W, C); empty if they have that order."""
    shape = values.shape
    if values.ndim == 4:
        what = "pass one photo at a time"
        first_channels = shape[1] in CHANNELS and shape[3] not in CHANNELS
        return f"{what}, array[0]" + (f", and {transposed(source)}" if first_channels else "")
    if values.ndim == 3 and shape[0] in CHANNELS and shape[2] not in CHANNELS:
        return f"its channels are first, {transposed(source)}"
    return ""


def transposed(source: Any) -> str:
    """The call that moves the channels to the last axis."""
    return (
        "transpose it: tensor.permute(1, 2, 0)"
        if hasattr(source, "permute")
        else "transpose it: array.transpose(1, 2, 0)"
    )


def number_advice(values: NDArray[Any]) -> str:
    """How to convert the values to uint8 from 0 to 255; empty if they are uint8."""
    if values.dtype == np.uint8:
        return ""
    if values.dtype == bool:
        return "multiply by 255 and convert to uint8: (array * 255).astype('uint8')"
    if values.dtype.kind not in "iuf":
        return "convert it to uint8"
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        return "it holds NaN or infinity, which are not colours"
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return "multiply by 255 and convert to uint8: (array * 255).round().astype('uint8')"
    if low >= 0 and high <= 255:
        return "convert it to uint8: " + (
            "array.round().astype('uint8')" if values.dtype.kind == "f" else "array.astype('uint8')"
        )
    if values.dtype.kind != "f" and low >= 0 and high <= 65535:
        return "divide by 257 and convert to uint8: (array / 257).round().astype('uint8')"
    return f"its values go from {low:g} to {high:g}, scale them to 0 to 255 and convert to uint8"
