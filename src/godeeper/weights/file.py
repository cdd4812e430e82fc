"""Weights files: safetensors files whose metadata contains a description of the weights.

A tensor is named by the address of its site and the parameter's name in the 2015 graph:
``mixed/tower_2/conv/conv2d_params``, ``…/batchnorm/beta``; biases are called ``…/bias``.  The axes of kernels are OIHW.
A tensor is float32, or uint8 with a scale and a minimum.  A value is then q · scale + minimum, computed in double
precision and rounded to single.
The only metadata key, ``godeeper``, is a ``Description`` as JSON.  No pickle is ever read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..blueprint.dialects import in_dialect, known_dialects
from ..blueprint.networks import BLUEPRINTS
from ..blueprint.ops import Blueprint, Conv
from ..blueprint.sites import Site, sites
from ..errors import GodeeperError, WeightsError
from ..files import open_regular, write_atomically

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

FORMAT = 1
BATCHNORM_EPSILON = 0.001


@dataclass(frozen=True)
class Description:
    """The metadata of a weights file.

    ``preprocessing``: ``size`` in pixels, ``fit``, ``filter``, ``subtract`` and ``divide``.  The last two apply to
    pixels from 0 to 255; they are single numbers, or lists with one number per channel.  ``quantised``: tensor name ->
    (scale, minimum).  ``labels``: one per class, empty if the file has no classifier.  ``sha256``: the hash of
    everything else in the file.  ``scope``: the prefix of the tensor names in the original file.  ``aliases``: further
    tensor names in the original file -> ours.
    """

    name: str
    architecture: str
    dialect: str
    preprocessing: Mapping[str, Any]
    labels: tuple[str, ...] = field(repr=False)
    source: str
    licence: str
    notes: str
    quantised: Mapping[str, tuple[float, float]] = field(repr=False)
    sha256: str = ""
    format: int = FORMAT
    scope: str = ""
    aliases: Mapping[str, str] = field(default_factory=dict, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON; newer fields are left out if empty, so that the hashes of older files stay valid."""
        return {name: value for name, value in asdict(self).items() if value or name not in ("scope", "aliases")}


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation, or a bias, as an affine map: y = x · ``scale`` + ``shift``, each (C,) float32."""

    scale: Floats
    shift: Floats


@dataclass(frozen=True)
class WeightsFile:
    """A weights file whose description has been read; its tensors are read when they are needed."""

    path: Path
    description: Description

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path and the description; ``reopened`` finds the file, even at another path."""
        from .registry import reopened

        return reopened, (self.path, self.description)

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def sha256(self) -> str:
        return self.description.sha256

    @cached_property
    def blueprint(self) -> Blueprint:
        """The network's blueprint in the dialect of these weights, with one class per label."""
        blueprint = in_dialect(BLUEPRINTS[self.description.architecture], self.description.dialect)
        return replace(
            blueprint,
            classes=len(self.description.labels) or blueprint.classes,
            scope=self.description.scope,
            aliases=tuple(self.description.aliases.items()),
        )

    @cached_property
    def expected(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of all tensors that the file must contain; classifier tensors are expected only with labels."""
        return expected_tensors(self.blueprint, with_classifier=bool(self.description.labels))

    def verify(self) -> None:
        """Read all tensors; raise ``WeightsError`` if their names, shapes, values or the hash are wrong."""
        with self.parameters() as parameters:
            parameters.check()

    @contextmanager
    def parameters(self) -> Iterator[Parameters]:
        """Open the tensors of the file for the duration of the block."""
        with open_safetensors(self.path) as handle:
            yield Parameters(self, handle)


class Parameters:
    """The tensors of an open weights file, by site."""

    def __init__(self, file: WeightsFile, handle: Any) -> None:
        self.file = file
        self.handle = handle

    def kernel(self, site: Site) -> Floats:
        """The kernel of a convolution, (out, in, height, width) float32."""
        return self.values(f"{site.address}/conv2d_params")

    def batchnorm(self, site: Site) -> BatchNorm:
        """The batch normalisation (arXiv:1502.03167) or bias of a convolution, as an affine map."""
        import numpy as np

        if f"{site.address}/bias" in self.file.expected:
            bias = self.values(f"{site.address}/bias")
            return BatchNorm(np.ones_like(bias), bias)
        gamma, beta, mean, deviation = self.normalisation(site)
        scale = gamma / deviation
        return BatchNorm(scale.astype(np.float32), (beta - mean * scale).astype(np.float32))

    def normalisation(self, site: Site) -> tuple[Floats, Floats, Floats, NDArray[np.float64]]:
        """Gamma (1 if none is stored), beta, mean and standard deviation of a batch normalisation, each (C,)."""
        import numpy as np

        scope = f"{site.address}/batchnorm"
        beta = self.values(f"{scope}/beta")
        gamma = self.values(f"{scope}/gamma") if f"{scope}/gamma" in self.file.expected else np.ones_like(beta)
        variance = self.values(f"{scope}/moving_variance").astype(np.float64)
        return gamma, beta, self.values(f"{scope}/moving_mean"), np.sqrt(variance + BATCHNORM_EPSILON)

    def dense(self) -> tuple[Floats, Floats]:
        """The matrix (features, classes) and biases (classes,) of the classifier; raises ``WeightsError`` if there is none."""
        if not self.file.description.labels:
            raise WeightsError(
                f"weights {self.file.name!r} have no classifier: softmax and its logits cannot be computed with them"
            )
        return self.values("softmax/weights"), self.values("softmax/biases")

    def values(self, name: str) -> Floats:
        """One tensor as float32; call ``check`` first if the file is not trusted."""
        import numpy as np

        stored = self.stored(name)
        if stored.dtype == np.uint8:
            scale, minimum = self.file.description.quantised[name]
            stored = (stored * scale + minimum).astype(np.float32)
        return stored

    def stored(self, name: str) -> NDArray[Any]:
        """One tensor as it is in the file, uint8 or float32."""
        tensor: NDArray[Any] = self.handle.get_tensor(name)
        return tensor

    def check(self) -> None:
        """Raise ``WeightsError`` unless the file contains exactly the expected tensors, all finite, with the recorded hash."""
        names = set(self.handle.keys())
        self.check_names(names)
        tensors: dict[str, NDArray[Any]] = {name: self.stored(name) for name in names}
        for name, tensor in tensors.items():
            self.check_tensor(name, tensor)
        got = content_sha256(tensors, self.file.description)
        if got != self.file.sha256:
            raise self.misfit(
                f"its content has SHA-256 {got[:16]}…, but its header states {self.file.sha256[:16]}…; "
                "the file is damaged, download it again"
            )

    def check_names(self, names: set[str]) -> None:
        """Raise ``WeightsError`` if tensors are missing or unknown."""
        expected = set(self.file.expected)
        misfits = (("missing", sorted(expected - names)), ("unknown", sorted(names - expected)))
        parts = [f"{len(names)} {what} ({', '.join(names[:3])})" for what, names in misfits if names]
        if parts:
            raise self.misfit(f"its tensors are not those of {self.file.blueprint.name}: {'; '.join(parts)}")

    def check_tensor(self, name: str, tensor: NDArray[Any]) -> None:
        """Raise ``WeightsError`` if a tensor has the wrong shape or type, or values that are not finite."""
        import numpy as np

        expected = self.file.expected[name]
        if tensor.shape != expected:
            raise self.misfit(f"{name} has shape {tensor.shape}, expected {expected} for {self.file.blueprint.name}")
        if tensor.dtype not in (np.uint8, np.float32):
            raise self.misfit(f"{name} is {tensor.dtype}, expected float32 or uint8")
        if tensor.dtype == np.uint8 and name not in self.file.description.quantised:
            raise self.misfit(f"{name} is uint8, but its scale and minimum are missing")
        ends = self.file.description.quantised[name] if tensor.dtype == np.uint8 else tensor
        if not np.isfinite(ends).all():
            raise self.misfit(f"{name} holds NaN or infinity; download the file again")

    def misfit(self, what: str) -> WeightsError:
        return WeightsError(f"{self.file.path}: {what}")


def read(path: Path) -> WeightsFile:
    """A weights file, with its metadata read and checked; raises ``WeightsError``."""
    with open_safetensors(path) as handle:
        text = (handle.metadata() or {}).get("godeeper")
    if text is None:
        raise WeightsError(
            f"{path}: a safetensors file without godeeper's metadata; add it first: godeeper weights add {path}"
        )
    try:
        fields = json.loads(text)
        if fields["format"] != FORMAT:
            raise WeightsError(
                f"{path}: weights format {fields['format']}, expected {FORMAT}; use the version of godeeper that wrote it"
            )
        fields["labels"] = tuple(fields["labels"])
        fields["quantised"] = {name: (scale, minimum) for name, (scale, minimum) in fields["quantised"].items()}
        description = Description(**fields)
        check_description(description)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path}: cannot read the metadata ({error}); download the file again") from None
    if description.architecture not in BLUEPRINTS:
        raise WeightsError(
            f"{path}: architecture {description.architecture!r}, expected one of {', '.join(BLUEPRINTS)}"
        )
    dialects = known_dialects(BLUEPRINTS[description.architecture].family)
    if description.dialect not in dialects:
        raise WeightsError(f"{path}: dialect {description.dialect!r}, expected one of {', '.join(dialects)}")
    return WeightsFile(path, description)


def check_description(description: Description) -> None:
    """Raise ``TypeError`` or ``ValueError`` if a field has the wrong type."""
    texts = (
        description.name,
        description.architecture,
        description.dialect,
        description.source,
        description.licence,
        description.notes,
        description.sha256,
        description.scope,
    )
    if not all(
        isinstance(value, str)
        for value in (*texts, *description.labels, *description.aliases, *description.aliases.values())
    ):
        raise TypeError("a field should be text, but is not")
    ends = [end for pair in description.quantised.values() for end in pair]
    if not all(isinstance(end, int | float) for end in ends):
        raise TypeError("a scale or minimum is not a number")
    if not isinstance(description.preprocessing, dict):
        raise TypeError("the preprocessing is not an object")


def write(path: Path, tensors: Mapping[str, NDArray[Any]], description: Description) -> WeightsFile:
    """Write a weights file and record its SHA-256 in the description; equal content gives equal bytes."""
    from safetensors.numpy import save

    described = replace(description, sha256=content_sha256(tensors, description))
    payload = save(dict(tensors), metadata={"godeeper": json.dumps(described.as_dict(), sort_keys=True)})
    write_atomically(path, payload)
    return read(path)


def content_sha256(tensors: Mapping[str, NDArray[Any]], description: Description) -> str:
    """The SHA-256 of the description without its hash, and of the name, type, shape and bytes of each tensor."""
    digest = hashlib.sha256(json.dumps(replace(description, sha256="").as_dict(), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {tensor.shape}\n".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def expected_tensors(blueprint: Blueprint, *, with_classifier: bool) -> dict[str, tuple[int, ...]]:
    """Name -> shape of all tensors that ``blueprint`` needs."""
    all_sites = sites(blueprint)
    normalisation = ["beta", "moving_mean", "moving_variance", *(["gamma"] if blueprint.stored_gamma else [])]
    shapes: dict[str, tuple[int, ...]] = {}
    for site in all_sites:
        if isinstance(site.op, Conv):
            filters, kernel = site.op.filters, site.op.kernel
            parts = [f"batchnorm/{part}" for part in normalisation] if site.op.normalise else ["bias"]
            shapes[f"{site.address}/conv2d_params"] = filters, all_sites[site.inputs[0]].shape[0], *kernel
            shapes |= {f"{site.address}/{part}": (filters,) for part in parts}
        elif site.kind == "dense" and with_classifier:
            shapes["softmax/weights"] = (all_sites[site.inputs[0]].shape[0], blueprint.classes)
            shapes["softmax/biases"] = (blueprint.classes,)
    return shapes


@contextmanager
def open_safetensors(path: Path) -> Iterator[Any]:
    """Open a safetensors file for the duration of the block; raises ``WeightsError`` if it cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        open_regular(path).close()  # safe_open would block on a named pipe
        with safe_open(path, framework="numpy") as handle:
            yield handle
    except GodeeperError:
        raise
    except IsADirectoryError:
        check_format(path)
        raise WeightsError(f"{path}: is a folder; expected a .safetensors file that godeeper wrote") from None
    except FileNotFoundError:
        raise WeightsError(f"no weights file {path}: give the name of installed weights or a path") from None
    except (SafetensorError, OSError) as error:
        check_format(path)
        raise WeightsError(f"{path}: not a complete safetensors file ({error}); download it again") from None


def check_format(path: Path) -> None:
    """Raise ``WeightsError``, with advice, for a file in another format that godeeper recognises."""
    from .formats import check_added
    from .formats.unsupported import check_path

    check_path(path)
    check_added(path)
