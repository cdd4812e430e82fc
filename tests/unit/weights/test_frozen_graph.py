"""TensorFlow's frozen graphs are read without TensorFlow."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.blueprint.ops import Conv, Pool
from godeeper.blueprint.sites import Site, sites
from godeeper.errors import WeightsError
from godeeper.weights.formats import read_foreign
from godeeper.weights.install import Options, add

CLASSES = """# -*- protobuffer -*-
entry {
  target_class: 2
  target_class_string: "n01440764"
}
entry {
  target_class: 1
  target_class_string: "n01443537"
}
"""
NAMES = "n00001740\tentity\nn01440764\ttench, Tinca tinca\nn01443537\tgoldfish, Carassius auratus\n"
LABELS = ("class 0", "goldfish, Carassius auratus", "tench, Tinca tinca")


def test_constants_are_read_to_the_bit(graph_file: Callable[..., Path]) -> None:
    """Weights are read bit for bit; constants that are scalars or integers are skipped."""
    sample = {
        "conv/conv2d_params": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
        "half": np.array([0.5, 2], np.float16),
        "brain": np.array([0x3F80, 0xC000], np.uint16),
        "Sub/y": np.array(128, np.float32),
        "mixed/join/concat_dim": np.array([3, 3], np.int32),
    }
    foreign = read_foreign(graph_file(sample, operations={"conv": "Relu"}))
    assert set(foreign.tensors) == {"conv/conv2d_params", "half", "brain"}
    np.testing.assert_array_equal(foreign.tensors["conv/conv2d_params"], sample["conv/conv2d_params"])
    np.testing.assert_array_equal(foreign.tensors["brain"], np.array([1, -2], np.float32))
    assert foreign.operations["conv"] == "Relu"


def test_unused_gammas_are_set_to_one(graph_file: Callable[..., Path]) -> None:
    """If a graph normalises without gamma, gamma is 1, with a note."""
    foreign = read_foreign(graph_file({"conv/batchnorm/gamma": np.full(3, 7, np.float32)}, scales=False))
    np.testing.assert_array_equal(foreign.tensors["conv/batchnorm/gamma"], np.ones(3, np.float32))
    assert "gammas are not used" in foreign.notes[0]


def test_another_epsilon_is_refused(graph_file: Callable[..., Path]) -> None:
    """A graph with another epsilon in its batch normalisation is refused."""
    with pytest.raises(WeightsError, match=r"epsilon 0\.01, expected 0\.001"):
        read_foreign(graph_file({"conv/batchnorm/gamma": np.ones(3, np.float32)}, epsilon=0.01))


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_cut_graph_is_refused(graph_file: Callable[..., Path], share: float) -> None:
    """A truncated graph gives a one-line error."""
    path = graph_file({"a": np.ones(50, np.float32), "b": np.ones(50, np.float32)})
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(WeightsError, match="not a complete TensorFlow graph"):
        read_foreign(path)


def test_labels_beside_the_graph_are_read(graph_file: Callable[..., Path], tmp_path: Path) -> None:
    """The two text files next to the graph name the classes in the order of the graph's outputs."""
    (tmp_path / "imagenet_2012_challenge_label_map_proto.pbtxt").write_text(CLASSES)
    (tmp_path / "imagenet_synset_to_human_label_map.txt").write_text(NAMES)
    assert read_foreign(graph_file({"a": np.ones(2, np.float32)})).labels == LABELS


def test_the_releases_archive_is_read(graph_file: Callable[..., Path], tmp_path: Path) -> None:
    """Graph and labels are read from any folder in the .tgz, and nothing is unpacked to the disk."""
    graph = graph_file({"a": np.ones(2, np.float32)}).read_bytes()
    path = tmp_path / "inception-2015-12-05.tgz"
    members = {
        "./classify_image_graph_def.pb": graph,
        "imagenet_2012_challenge_label_map_proto.pbtxt": CLASSES.encode(),
        "../../imagenet_synset_to_human_label_map.txt": NAMES.encode(),
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    before = set(tmp_path.rglob("*"))
    foreign = read_foreign(path)
    assert foreign.labels == LABELS
    assert list(foreign.tensors) == ["a"]
    assert set(tmp_path.rglob("*")) == before


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    """A truncated archive gives a one-line error."""
    path = tmp_path / "x.tgz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("classify_image_graph_def.pb")
        info.size = 100_000
        archive.addfile(info, io.BytesIO(np.random.default_rng(0).bytes(info.size)))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="not a complete tar archive"):
        read_foreign(path)


@pytest.mark.peers
def test_a_graph_that_tensorflow_runs_gives_the_same_numbers(tmp_path: Path) -> None:
    """For a 2015-style graph, TensorFlow and godeeper agree on every module's join, pool_3 and softmax."""
    tf = pytest.importorskip("tensorflow")
    graph_def = graph_of_2015(tf)
    (tmp_path / "graph.pb").write_bytes(graph_def.SerializeToString())
    added = add(tmp_path / "graph.pb", Options(name="mine"))
    assert added.file.description.dialect == "2015"
    import godeeper

    net = godeeper.load(weights="mine")
    pixels = np.random.default_rng(1).integers(0, 256, (320, 400, 3), np.uint8)
    fetches = [site.names.tf2015 for site in sites(net.blueprint) if site.kind == "concat" and site.names.tf2015]
    fetches += ["mixed/tower_2/conv", "mixed_10/tower_2/pool", "pool_3/_reshape", "softmax/logits", "softmax"]
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    with tf.compat.v1.Session(graph=graph) as session:
        wanted = session.run([f"{name}:0" for name in fetches], {"DecodeJpeg:0": pixels})
    got = net.run(fetches, {"DecodeJpeg:0": pixels})
    for name, theirs, ours in zip(fetches, wanted, got, strict=True):
        error = np.abs(ours - theirs).max() / np.abs(theirs).max()
        assert error <= 1e-4, f"{name}: {error}"


def graph_of_2015(tf: Any) -> Any:
    """Return a graph with the node names, operations and constants of the 2015 release, and random weights."""
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = 8  # the last version that has BatchNormWithGlobalNormalization
    random = np.random.default_rng(2015)
    all_sites = sites(in_dialect(INCEPTION_V3, "2015"))
    names = {site.index: str(site.names.tf2015) for site in all_sites}

    def op(kind: str, name: str, *inputs: str, **attributes: Any) -> None:
        node = graph.node.add(name=name, op=kind)
        node.input.extend(inputs)
        for key, value in attributes.items():
            setter = {bool: "b", float: "f", bytes: "s"}.get(type(value))
            if setter:
                setattr(node.attr[key], setter, value)
            elif isinstance(value, list):
                node.attr[key].list.i.extend(value)
            else:
                node.attr[key].type = value.as_datatype_enum

    def const(name: str, value: Any) -> str:
        node = graph.node.add(name=name, op="Const")
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
        node.attr["dtype"].type = node.attr["value"].tensor.dtype
        return name

    def uniform(name: str, low: float, high: float, *shape: int) -> str:
        return const(name, random.uniform(low, high, shape).astype(np.float32))

    def conv(site: Site, spec: Conv) -> None:
        name = names[site.index]
        shape = (*spec.kernel, all_sites[site.inputs[0]].shape[0], spec.filters)
        scale = (3 / np.prod(shape[:3])) ** 0.5
        kernel = uniform(f"{name}/conv2d_params", -scale, scale, *shape)
        strides = [1, spec.stride, spec.stride, 1]
        padding = spec.padding.encode()
        op("Conv2D", f"{name}/Conv2D", source(site), kernel, T=tf.float32, strides=strides, padding=padding)
        ranges = {"moving_mean": (-0.2, 0.2), "moving_variance": (0.5, 1.5), "beta": (-0.2, 0.2), "gamma": (0.5, 1.5)}
        norm = [uniform(f"{name}/batchnorm/{part}", *ends, spec.filters) for part, ends in ranges.items()]
        settings = {"T": tf.float32, "variance_epsilon": 0.001, "scale_after_normalization": True}
        op("BatchNormWithGlobalNormalization", f"{name}/batchnorm", f"{name}/Conv2D", *norm, **settings)
        op("CheckNumerics", f"{name}/CheckNumerics", f"{name}/batchnorm", T=tf.float32, message=b"")
        op("Identity", f"{name}/control_dependency", f"{name}/batchnorm", f"^{name}/CheckNumerics", T=tf.float32)
        op("Relu", name, f"{name}/control_dependency", T=tf.float32)

    def source(site: Site) -> str:
        return names[site.inputs[0]]

    def ends(site: Site) -> list[str]:
        """Return the inputs of a join.  The join of a fork has no node in this graph, so the fork's parts are listed instead."""
        parts = [[names[i]] if all_sites[i].names.tf2015 else ends(all_sites[i]) for i in site.inputs]
        return [part for each in parts for part in each]

    op("Placeholder", "DecodeJpeg/contents", dtype=tf.string)
    op("DecodeJpeg", "DecodeJpeg", "DecodeJpeg/contents")
    op("Cast", "Cast", "DecodeJpeg", SrcT=tf.uint8, DstT=tf.float32)
    op("ExpandDims", "ExpandDims", "Cast", const("ExpandDims/dim", np.int32(0)), T=tf.float32)
    op(
        "ResizeBilinear",
        "ResizeBilinear",
        "ExpandDims",
        const("ResizeBilinear/size", np.array([299, 299], np.int32)),
        T=tf.float32,
    )
    op("Sub", "Sub", "ResizeBilinear", const("Sub/y", np.float32(128)), T=tf.float32)
    op("Mul", "Mul", "Sub", const("Mul/y", np.float32(0.0078125)), T=tf.float32)
    for site in all_sites:
        name = names[site.index]
        if isinstance(site.op, Conv):
            conv(site, site.op)
        elif isinstance(site.op, Pool):
            kind = "MaxPool" if site.op.reduce == "max" else "AvgPool"
            window, strides = [1, *site.op.kernel, 1], [1, site.op.stride, site.op.stride, 1]
            op(kind, name, source(site), T=tf.float32, ksize=window, strides=strides, padding=site.op.padding.encode())
        elif site.kind == "concat" and site.names.tf2015:
            joined = ends(site)
            op("Concat", name, const(f"{name}/concat_dim", np.int32(3)), *joined, T=tf.float32)
            graph.node[-1].attr["N"].i = len(joined)
        elif site.kind == "average":
            op("AvgPool", name, source(site), T=tf.float32, ksize=[1, 8, 8, 1], strides=[1, 1, 1, 1], padding=b"VALID")
        elif site.kind == "reshape":
            op("Reshape", name, source(site), const(f"{name}/shape", np.array([1, 2048], np.int32)), T=tf.float32)
        elif site.kind == "dense":
            weights = uniform("softmax/weights", -0.1, 0.1, 2048, 1008)
            op("MatMul", "softmax/logits/MatMul", source(site), weights, T=tf.float32)
            op("BiasAdd", name, "softmax/logits/MatMul", uniform("softmax/biases", -1, 1, 1008), T=tf.float32)
        elif site.kind == "softmax":
            op("Softmax", name, source(site), T=tf.float32)
    return graph
