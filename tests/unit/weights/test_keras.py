"""Keras files are read in order of creation, for any layer numbers and any Keras version."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from godeeper.errors import WeightsError
from godeeper.weights.formats import read_foreign
from godeeper.weights.install import Options, add

Arrays = Mapping[str, NDArray[Any]]


def write_keras2(path: Path, tensors: Arrays, *, nested: str = "", config: str = "") -> Path:
    """Write HDF5 as Keras 1 and 2 do: a group for each layer, with attributes that list its content; return the path."""
    h5py = pytest.importorskip("h5py")
    layers = list(dict.fromkeys(name.partition("/")[0] for name in tensors))
    with h5py.File(path, "w") as file:
        root = file.create_group(nested) if nested else file
        if config:
            file.attrs["model_config"] = config
        # Keras sorts a model's layers by depth, not by creation, so reverse them here
        root.attrs["layer_names"] = [layer.encode() for layer in layers[::-1]]
        for layer in layers:
            group = root.create_group(layer)
            own = [name for name in tensors if name.partition("/")[0] == layer]
            group.attrs["weight_names"] = [f"{name}:0".encode() for name in own]
            for name in own:
                group[f"{name}:0"] = tensors[name]
    return path


def write_keras3(path: Path, tensors: Arrays, *, named: bool = True) -> Path:
    """Write HDF5 as Keras 3 does: numbered variables, with the layer's name as an attribute; return the path."""
    h5py = pytest.importorskip("h5py")
    layers = list(dict.fromkeys(name.partition("/")[0] for name in tensors))
    with h5py.File(path, "w") as file:
        file.create_group("optimizer/vars").attrs["name"] = "adam"
        file["optimizer/vars/0"] = np.zeros(3)
        for place, layer in enumerate(layers[::-1]):
            group = file.create_group(f"layers/layer_{place}/vars")
            if named:
                group.attrs["name"] = layer
            for number, name in enumerate(name for name in tensors if name.partition("/")[0] == layer):
                group[str(number)] = tensors[name]
    return path


@pytest.mark.parametrize("first", [0, 1, 95])
@pytest.mark.parametrize("nested", ["", "model_weights"])
def test_keras2_files_are_adopted(
    tmp_path: Path, numbers_of: Callable[..., Any], as_keras: Callable[..., Any], first: int, nested: str
) -> None:
    """Layers give the same tensors whether their numbers start at none, 1 or 95, in a weights file or a complete model."""
    ours = numbers_of("keras")
    path = write_keras2(tmp_path / "k.h5", as_keras(ours, first), nested=nested)
    added = add(path, Options(name="k"))
    assert added.file.description.dialect == "keras"
    with added.file.parameters() as numbers:
        for name, values in ours.items():
            np.testing.assert_array_equal(numbers.values(name), values)


@pytest.mark.parametrize("archive", [False, True], ids=["weights.h5", "keras"])
def test_keras3_files_are_adopted(
    tmp_path: Path, numbers_of: Callable[..., Any], as_keras: Callable[..., Any], *, archive: bool
) -> None:
    """Numbered variables are identified by their layers, and the optimiser's variables are skipped."""
    ours = numbers_of("keras")
    path = write_keras3(tmp_path / "k.weights.h5", as_keras(ours, 7))
    if archive:
        inner, path = path, tmp_path / "k.keras"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("config.json", "{}")
            file.write(inner, "model.weights.h5")
    added = add(path, Options(name="k"))
    with added.file.parameters() as numbers:
        for name, values in ours.items():
            np.testing.assert_array_equal(numbers.values(name), values)


def test_a_file_without_a_classifier_has_none(
    tmp_path: Path, numbers_of: Callable[..., Any], as_keras: Callable[..., Any]
) -> None:
    """With include_top=False there are no labels, and the file can be added."""
    path = write_keras2(tmp_path / "notop.h5", as_keras(numbers_of("keras", 0)))
    added = add(path)
    assert added.file.name == "notop"
    assert added.file.description.labels == ()


@pytest.mark.parametrize("name", ["predictions", "mine", "dense_7"])
@pytest.mark.parametrize("generation", [2, 3])
def test_a_network_as_a_layer_is_adopted(
    tmp_path: Path, numbers_of: Callable[..., Any], as_keras: Callable[..., Any], name: str, generation: int
) -> None:
    """Fine-tuned models contain the network as one layer, followed by a classifier of any name."""
    h5py = pytest.importorskip("h5py")
    ours = numbers_of("keras", 3)
    theirs = {key.replace("predictions", name): values for key, values in as_keras(ours, 95).items()}
    path = tmp_path / "k.h5"
    if generation == 2:
        head = [key for key in theirs if key.startswith(name)]
        held = {"inception_v3": [key for key in theirs if key not in head], "dropout": [], name: head}
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = list(held)
            for layer, keys in held.items():
                group = file.create_group(layer)
                group.attrs["weight_names"] = [f"{key}:0" for key in keys]
                for key in keys:
                    group[f"{key}:0"] = theirs[key]
    else:
        write_keras3(path, theirs)
        with h5py.File(path, "a") as file:
            file.move("layers", "layers_within")
            file.create_group("layers")
            file.move("layers_within", "layers/functional/layers")
    added = add(path)
    assert len(added.file.description.labels) == 3
    with added.file.parameters() as numbers:
        for key, values in ours.items():
            np.testing.assert_array_equal(numbers.values(key), values)


def sequential(activation: str) -> str:
    """Return the configuration of a model with a dense layer, as Keras 2 writes it."""
    layer = {"class_name": "Dense", "config": {"name": "predictions", "activation": activation}}
    return json.dumps({"class_name": "Sequential", "config": {"layers": [layer]}})


@pytest.mark.parametrize("archive", [False, True], ids=["h5", "keras"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_several_outputs_without_a_softmax_are_refused(
    tmp_path: Path, numbers_of: Callable[..., Any], as_keras: Callable[..., Any], activation: str, *, archive: bool
) -> None:
    """A model with several sigmoid outputs is refused; its last activation is read from the configuration."""
    theirs = as_keras(numbers_of("keras", 3))
    path = write_keras2(tmp_path / "k.h5", theirs, config=sequential(activation))
    if archive:
        inner, path = write_keras3(tmp_path / "k.weights.h5", theirs), tmp_path / "k.keras"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("config.json", sequential(activation))
            file.write(inner, "model.weights.h5")
    with pytest.raises(WeightsError, match=f"3 outputs with (a|activation) {activation}"):
        add(path)


@pytest.mark.parametrize("activation", ["softmax", "log_softmax", "linear"])
def test_a_softmax_or_nothing_is_taken(
    tmp_path: Path, numbers_of: Callable[..., Any], as_keras: Callable[..., Any], activation: str
) -> None:
    """If the last activation is a softmax or linear, the classifier is added."""
    path = write_keras2(tmp_path / "k.h5", as_keras(numbers_of("keras", 3)), config=sequential(activation))
    assert len(add(path).file.description.labels) == 3


@pytest.mark.parametrize(
    ("activation", "note"), [("sigmoid", "with a sigmoid"), ("linear", "assumed to be a sigmoid's")]
)
def test_one_output_says_what_is_known_of_it(
    tmp_path: Path, numbers_of: Callable[..., Any], as_keras: Callable[..., Any], activation: str, note: str
) -> None:
    """A single output gives two classes, and the note says whether the file states its activation."""
    path = write_keras2(tmp_path / "k.h5", as_keras(numbers_of("keras", 1)), config=sequential(activation))
    assert any(note in said for said in add(path).notes)


def test_a_keras3_file_without_names_is_refused(
    tmp_path: Path, numbers_of: Callable[..., Any], as_keras: Callable[..., Any]
) -> None:
    """A Keras 3 file without layer names is refused, because the order of creation is unknown."""
    path = write_keras3(tmp_path / "k.weights.h5", as_keras(numbers_of("keras")), named=False)
    with pytest.raises(WeightsError, match="without layer names"):
        read_foreign(path)


def test_a_cut_file_is_refused(tmp_path: Path, numbers_of: Callable[..., Any], as_keras: Callable[..., Any]) -> None:
    """A truncated HDF5 file gives a one-line error."""
    path = write_keras2(tmp_path / "k.h5", as_keras(numbers_of("keras")))
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(WeightsError, match="not a complete HDF5 file") as caught:
        read_foreign(path)
    assert "\n" not in str(caught.value)


def test_other_hdf5_is_refused(tmp_path: Path) -> None:
    """An HDF5 file without Keras layers, for example of measurements, is refused."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["measurements"] = np.zeros(3)
    with pytest.raises(WeightsError, match="without Keras layers"):
        read_foreign(tmp_path / "data.h5")


def test_numbers_that_lie_in_another_file_are_refused(tmp_path: Path) -> None:
    """Links and external data sets are refused, because they could read any file."""
    h5py = pytest.importorskip("h5py")
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(72))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = np.zeros(3)
    linked, outside = tmp_path / "linked.h5", tmp_path / "outside.h5"
    for path in (linked, outside):
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"conv2d"]
            group = file.create_group("conv2d")
            group.attrs["weight_names"] = [b"kernel:0"]
            if path == linked:
                group["kernel:0"] = h5py.ExternalLink("other.h5", "secret")
            else:
                group.create_dataset("kernel:0", (3, 3), "<f8", external=[(str(secret), 0, 72)])
    for path, reason in ((linked, "is a link"), (outside, "is stored in another file")):
        with pytest.raises(WeightsError, match=reason):
            read_foreign(path)


def test_without_h5py_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without h5py, the error names the extra to install."""
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "k.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(WeightsError, match=r"pip install 'godeeper\[keras\]'"):
        read_foreign(tmp_path / "k.h5")


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")  # Keras and TensorFlow raise deprecation warnings
def test_keras_files_give_keras_numbers(tmp_path: Path) -> None:
    """Keras's own Inception v3, saved in its three formats, gives Keras's outputs."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    keras.layers.Conv2D(3, 3)  # uses up the first number, so that the network's layers start at a later one
    model = keras.applications.InceptionV3(weights=None)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            ranges = ((-0.2, 0.2), (-0.2, 0.2), (0.5, 1.5))
            layer.set_weights(
                [random.uniform(*ends, value.shape) for ends, value in zip(ranges, layer.get_weights(), strict=True)]
            )
    joins = ["mixed0", "mixed4", "mixed9", "mixed10"]
    outputs = keras.Model(model.input, [*(model.get_layer(name).output for name in joins), model.output])
    x = random.normal(size=(1, 299, 299, 3)).astype(np.float32)
    wanted = [np.asarray(values) for values in outputs(x, training=False)]
    import godeeper

    model.save(tmp_path / "k.keras")
    model.save_weights(tmp_path / "k.weights.h5")
    model.save(tmp_path / "k2.h5")
    for file in ("k.keras", "k.weights.h5", "k2.h5"):
        add(tmp_path / file, Options(name="k", replace=True))
        got = godeeper.load(weights="k").run([*joins, "predictions"], {"input_1": x})
        for name, ours, theirs in zip([*joins, "predictions"], got, wanted, strict=True):
            assert np.abs(ours - theirs).max() / np.abs(theirs).max() <= 1e-4, f"{file} {name}"
