"""What ``weights add`` accepts and finds out about a classifier: labels, a single output, scaling."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.errors import UnknownName, WeightsError
from godeeper.photos.preprocess import Preprocess
from godeeper.weights.install import Options, add

Make = Callable[..., Any]
Write = Callable[..., Path]


@pytest.fixture
def of_classes(numbers_of: Make, as_torchvision: Make, torch_file: Write) -> Callable[[int], Path]:
    """A function that writes a state dict with a given number of classes."""
    return lambda classes: torch_file(as_torchvision(numbers_of(classes=classes)))


def labelled(path: Path, text: bytes, tmp_path: Path, **options: Any) -> tuple[str, ...]:
    labels = tmp_path / "classes.txt"
    labels.write_bytes(text)
    return add(path, Options(labels=labels, replace=True, **options)).file.description.labels


@pytest.mark.parametrize(
    "text",
    [
        b"cat\ndog\nowl\n",
        b"\xef\xbb\xbfcat\r\ndog\r\nowl",
        b"cat\n\n  dog  \n\nowl\n\n",
        b"cat\rdog\rowl\r",
        "cat\r\ndog\r\nowl\r\n".encode("utf-16"),
    ],
    ids=["plain", "BOM and CRLF", "empty lines", "CR", "UTF-16"],
)
def test_labels_are_lines_however_they_end(of_classes: Any, tmp_path: Path, text: bytes) -> None:
    """Labels with the line endings of any system give the same classes."""
    assert labelled(of_classes(3), text, tmp_path) == ("cat", "dog", "owl")


def test_equal_labels_are_distinguished(of_classes: Any, tmp_path: Path) -> None:
    """ImageNet has two classes called crane; the class's number distinguishes them."""
    assert labelled(of_classes(3), b"crane\nowl\ncrane\n", tmp_path) == ("crane (0)", "owl", "crane (2)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"cat\ndog\n", "2 labels for 3 classes"),
        (b"a\nb\nc\nd\n", "4 labels for 3 classes"),
        (b"\n\n", "contains no labels"),
        (b"", "contains no labels"),
        (b"caf\xe9\n", "cannot read the labels"),
        (b"a\0b\nc\n", "contains no labels"),
        (b'{"0": "cat"}\n', "looks like JSON"),
    ],
)
def test_wrong_labels_are_refused(of_classes: Any, tmp_path: Path, own_folder: Path, text: bytes, message: str) -> None:
    """Labels that do not fit give a one-line error, and nothing is installed."""
    with pytest.raises(WeightsError, match=message):
        labelled(of_classes(3), text, tmp_path)
    assert not own_folder.exists()


def test_labels_that_are_not_a_file_are_refused(of_classes: Any, tmp_path: Path) -> None:
    """A folder, a named pipe, a device or a missing file in place of the labels gives a one-line error at once."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero"), tmp_path / "none"):
        with pytest.raises(WeightsError, match="cannot read the labels"):
            add(of_classes(3), Options(labels=path))


def test_weights_that_are_not_a_file_are_refused(tmp_path: Path) -> None:
    """A named pipe or a device in place of the weights is refused, without blocking or filling the memory."""
    os.mkfifo(tmp_path / "pipe.pth")
    for path in (tmp_path / "pipe.pth", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(WeightsError):
            add(path)


@pytest.mark.parametrize(
    ("text", "labels"),
    [(b"cat\ndog\n", ("cat", "dog")), (b"dog\n", ("not dog", "dog")), (None, ("class 0", "class 1"))],
)
def test_one_output_is_two_classes(of_classes: Any, tmp_path: Path, text: bytes | None, labels: Any) -> None:
    """A network with one output gets two classes, and a single label names the second class.

    Softmax over (0, z) is (1 - p, p) for p = sigmoid(z).
    """
    path = of_classes(1)
    found = labelled(path, text, tmp_path) if text else add(path).file.description.labels
    assert found == labels


def test_one_output_keeps_its_probability(of_classes: Any) -> None:
    """Of the two classes for a single output, the first has zero weights, and the second has the weights in the file."""
    added = add(of_classes(1))
    with added.file.parameters() as numbers:
        matrix, biases = numbers.dense()
    assert matrix.shape[1] == 2
    assert not matrix[:, 0].any()
    assert biases[0] == 0
    assert biases[1] != 0
    z = np.float64(np.ones(len(matrix)) @ matrix[:, 1] + biases[1])
    softmax = np.exp([0 - z, 0]) / np.exp([0 - z, 0]).sum()
    assert softmax[1] == pytest.approx(1 / (1 + np.exp(-z)))
    assert any("one output" in note for note in added.notes)


def test_several_sigmoids_in_a_graph_are_refused(numbers_of: Make, tmp_path: Path) -> None:
    """Several sigmoid outputs are refused, because they are independent and a softmax would be wrong."""
    from dataclasses import replace

    from godeeper.weights.convert import convert
    from godeeper.weights.formats.foreign import ForeignWeights, GraphHead

    ours = numbers_of("2015", classes=3)
    theirs = {name: values.transpose(2, 3, 1, 0) if values.ndim == 4 else values for name, values in ours.items()}
    head = GraphHead("softmax/weights", "softmax/biases", "Softmax", {})
    graph = ForeignWeights(tmp_path / "graph.pb", "graph", theirs, dict.fromkeys(theirs, "float32"), heads=(head,))
    assert len(convert(graph, "mine", source="test").description.labels) == 3
    with pytest.raises(WeightsError, match="3 outputs with a sigmoid each"):
        convert(replace(graph, heads=(replace(head, activation="Sigmoid"),)), "mine", source="test")


SAID = {
    "unit": (0.0, 255.0),
    "raw": (0.0, 1.0),
    "inception": (127.5, 127.5),
    "2015": (128.0, 128.0),
    "127.5/127.5": (127.5, 127.5),
    "123,117,104/1": ((123.0, 117.0, 104.0), 1.0),
    "0/256": (0.0, 256.0),
}


@pytest.mark.parametrize("text", SAID)
def test_scaling_is_kept_and_reported(of_classes: Any, text: str) -> None:
    """A scaling that the user gives is in the description and the notes, and is applied to photos."""
    added = add(of_classes(3), Options(scaling=text, name=text.replace("/", "-").replace(",", "-")))
    said = added.file.description
    preprocess = Preprocess.from_mapping(json.loads(json.dumps(dict(said.preprocessing))))
    assert (preprocess.subtract, preprocess.divide) == SAID[text]
    assert "scaling as given: (x - " in said.notes


@pytest.mark.parametrize("text", ["", "x", "1/0", "1/2/3", "1,2/3", "nan/1", "1/inf", "bgr-", "1e9/1", "1,2,3/1,0,1"])
def test_an_invalid_scaling_is_refused(of_classes: Any, text: str) -> None:
    """An invalid scaling raises an error that lists the known scalings."""
    if not text:
        return
    with pytest.raises(UnknownName, match="unit, raw, caffe"):
        add(of_classes(3), Options(scaling=text))


@pytest.mark.parametrize(("text", "like"), [("caffe", "123.68,116.779,103.939/1"), ("bgr-unit", "unit")])
def test_blue_first_turns_the_first_kernels(of_classes: Any, text: str, like: str) -> None:
    """If a network was trained on blue, green, red, its first kernels are reordered so that it reads red, green, blue."""
    path = of_classes(3)
    ours, other = (add(path, Options(scaling=scaling, name=name)).file for scaling, name in ((text, "a"), (like, "b")))
    with ours.parameters() as turned, other.parameters() as plain:
        for name in ours.expected:
            expected = plain.values(name)
            np.testing.assert_array_equal(
                turned.values(name), expected[:, ::-1] if name == "conv/conv2d_params" else expected
            )
