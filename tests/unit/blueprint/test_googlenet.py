"""GoogLeNet's blueprint compared with its paper and with other implementations."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from godeeper.blueprint import cost
from godeeper.blueprint.address import Tensor, meanings, resolve, resolve_one
from godeeper.blueprint.dialects import in_dialect, known_dialects
from godeeper.blueprint.googlenet import GOOGLENET
from godeeper.blueprint.ops import Conv, Norm, Pool
from godeeper.blueprint.sites import sites
from godeeper.errors import AmbiguousAddress, OptionError, UnknownAddress, UnknownName

GOLDEN = Path(__file__).parents[2] / "golden" / "googlenet_torchvision_shapes.json"
SIZES = (224, 97, 15)
"""Input sizes: the paper's; one with odd grids, so that pools extend beyond the border; and the smallest that torchvision accepts."""

TABLE_1 = {
    "3a": (256, 28), "3b": (480, 28),
    "4a": (512, 14), "4b": (512, 14), "4c": (512, 14), "4d": (528, 14), "4e": (832, 14),
    "5a": (832, 7), "5b": (1024, 7),
}  # fmt: skip
"""Module -> channels and grid: arXiv:1409.4842, table 1, column "output size"."""

ROWS = [
    # bvlc, inception5h, torchvision, kind
    ("conv1/7x7_s2", "conv2d0", "conv1", "conv"),
    ("pool1/3x3_s2", "maxpool0", "maxpool1", "pool"),
    ("pool1/norm1", "localresponsenorm0", None, "norm"),
    ("conv2/3x3_reduce", "conv2d1", "conv2", "conv"),
    ("conv2/3x3", "conv2d2", "conv3", "conv"),
    ("conv2/norm2", "localresponsenorm1", None, "norm"),
    ("pool2/3x3_s2", "maxpool1", "maxpool2", "pool"),
    ("inception_3a/1x1", "mixed3a_1x1", "inception3a.branch1", "conv"),
    ("inception_3a/3x3_reduce", "mixed3a_3x3_bottleneck", "inception3a.branch2.0", "conv"),
    ("inception_3a/3x3", "mixed3a_3x3", "inception3a.branch2.1", "conv"),
    ("inception_3a/5x5_reduce", "mixed3a_5x5_bottleneck", "inception3a.branch3.0", "conv"),
    ("inception_3a/5x5", "mixed3a_5x5", "inception3a.branch3.1", "conv"),
    ("inception_3a/pool", "mixed3a_pool", "inception3a.branch4.0", "pool"),
    ("inception_3a/pool_proj", "mixed3a_pool_reduce", "inception3a.branch4.1", "conv"),
    ("inception_3a/output", "mixed3a", "inception3a", "concat"),
    ("pool3/3x3_s2", "maxpool4", "maxpool3", "pool"),
    ("inception_4e/output", "mixed4e", "inception4e", "concat"),
    ("pool4/3x3_s2", "maxpool10", "maxpool4", "pool"),
    ("inception_5b/pool_proj", "mixed5b_pool_reduce", "inception5b.branch4.1", "conv"),
    ("pool5/7x7_s1", "avgpool0", "avgpool", "average"),
    ("loss3/classifier", "softmax2_pre_activation", "fc", "dense"),
    ("prob", "softmax2", None, "softmax"),
]


@pytest.mark.parametrize(("bvlc", "inception5h", "torchvision", "kind"), ROWS)
def test_names(bvlc: str, inception5h: str, torchvision: str | None, kind: str) -> None:
    """A site has the name that each release gives it."""
    site = next(site for site in sites(GOOGLENET) if site.names.bvlc == bvlc)
    assert (site.names.inception5h, site.names.torchvision, site.kind) == (inception5h, torchvision, kind)


@pytest.mark.parametrize("dialect", known_dialects("googlenet"))
def test_names_stay(dialect: str) -> None:
    """A site has the same names in all dialects, even if it computes something different."""
    ours = {site.names for site in sites(GOOGLENET)}
    assert {site.names for site in sites(in_dialect(GOOGLENET, dialect))} <= ours


@pytest.mark.parametrize(("label", "shape"), TABLE_1.items())
def test_table_1(label: str, shape: tuple[int, int]) -> None:
    """Every module has the output size of the paper's table, and the paper's name."""
    assert resolve_one(GOOGLENET, f"inception ({label})").shape == (shape[0], shape[1], shape[1])


@pytest.mark.parametrize("dialect", known_dialects("googlenet"))
def test_depth(dialect: str) -> None:
    """The network is 22 layers deep, counting only layers with parameters."""
    longest: list[int] = []
    for site in sites(in_dialect(GOOGLENET, dialect)):
        before = max((longest[source] for source in site.inputs), default=0)
        longest.append(before + (site.kind in ("conv", "dense")))
    assert longest[-1] == 22


def test_modules() -> None:
    """There are nine modules, and 4a and 4d feed an auxiliary classifier."""
    joins = [site for site in sites(GOOGLENET) if site.kind == "concat"]
    fed = [join.names.inception5h for join in joins if join.place.module in GOOGLENET.auxiliary_after]
    assert (len(joins), fed) == (9, ["mixed4a", "mixed4d"])


@pytest.mark.parametrize(
    ("dialect", "with_heads", "without"),
    [
        ("torchvision", 13_004_888, 6_624_904),  # 6,624,904 is torchvision's own num_params
        ("bvlc", 13_378_280, 6_998_552),  # four bytes per parameter give the caffemodel file's 53.5 MB
    ],
)
def test_parameters(dialect: str, with_heads: int, without: int) -> None:
    """The number of parameters is that of each release, with both auxiliary classifiers and without."""
    network = in_dialect(GOOGLENET, dialect)
    heads = [cost.auxiliary_parameters(network, after, normalisation=2) for after in network.auxiliary_after]
    assert (cost.parameters(network), cost.parameters(network) - sum(heads)) == (with_heads, without)


def test_torchvision_edits() -> None:
    """In torchvision's version, batch normalisation replaces local response normalisation, and 5x5 kernels are 3x3."""
    ops = [site.op for site in sites(in_dialect(GOOGLENET, "torchvision")) if site.op]
    convs = [op for op in ops if isinstance(op, Conv)]
    assert not [op for op in ops if isinstance(op, Norm)]
    assert all(conv.normalise and conv.kernel != (5, 5) for conv in convs)
    assert [op.kernel for op in ops if isinstance(op, Pool) and op.stride == 2] == [(3, 3), (3, 3), (3, 3), (2, 2)]


def test_inception5h_channels() -> None:
    """Google's own graph has 204 filters where the paper has 208, and 48 filters where the paper has 32."""
    network = in_dialect(GOOGLENET, "inception5h")
    shapes = [resolve_one(network, name).shape[0] for name in ("mixed4a_3x3", "mixed4a", "mixed5a_5x5_bottleneck")]
    assert shapes == [204, 508, 48]


def test_inception5h_padding() -> None:
    """TensorFlow puts the odd row of padding at the end, so the first receptive field starts one pixel later."""
    fields = [sites(in_dialect(GOOGLENET, dialect))[7].field.padding for dialect in ("bvlc", "inception5h")]
    assert fields == [(3, 3), (2, 2)]


def test_unknown_dialect() -> None:
    """A dialect of another network is refused, and the error lists this network's dialects."""
    with pytest.raises(UnknownName, match="unknown dialect 'keras': expected one of bvlc, torchvision, inception5h"):
        in_dialect(GOOGLENET, "keras")


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        ("inception_3a/5x5_reduce", "relu"),
        ("inception_3a/relu_5x5_reduce", "relu"),
        ("mixed3a_5x5_bottleneck:0", "relu"),
        ("mixed3a_5x5_bottleneck_pre_relu", "bias"),
        ("mixed3a_5x5_bottleneck_pre_relu/conv", "conv"),
        ("inception3a.branch3.0", "relu"),
    ],
)
def test_stages(text: str, stage: str) -> None:
    """Each release's names for the stages of a convolution resolve to these stages."""
    tensor = resolve_one(GOOGLENET, text)
    assert (tensor.site.names.bvlc, tensor.stage) == ("inception_3a/5x5_reduce", stage)


def test_stages_normalised() -> None:
    """Where batch normalisation replaces the bias, its output is the value before the ReLU."""
    network = in_dialect(GOOGLENET, "torchvision")
    assert resolve(network, "inception3a.branch3.0.bn") == resolve(network, "mixed3a_5x5_bottleneck_pre_relu")


def test_no_batchnorm() -> None:
    """The paper's network has no batch normalisation to address."""
    with pytest.raises(UnknownAddress, match=r"inception3a\.branch3\.0\.bn"):
        resolve(GOOGLENET, "inception3a.branch3.0.bn")


@pytest.mark.parametrize("text", ["maxpool1", "maxpool4"])
def test_contradiction(text: str) -> None:
    """A name that means different tensors in two releases is refused; one release counts from 1, and the other from 0."""
    with pytest.raises(AmbiguousAddress, match="/3x3_s2 and pool"):
        resolve(GOOGLENET, text)


def test_contradictions() -> None:
    """Only maxpool1 and maxpool4 mean different tensors in different releases."""
    assert [name for name, meant in meanings(GOOGLENET).items() if len(meant) > 1] == ["maxpool1", "maxpool4"]


def test_patterns() -> None:
    """A pattern finds a module's sites in any convention."""
    assert resolve(GOOGLENET, "inception_4b/*")[:7] == resolve(GOOGLENET, "mixed4b_*")
    assert len(resolve(GOOGLENET, "inception (*)")) == 9


def test_photo_steps() -> None:
    """The steps from the photo to the network have the 2015 graph's names, as in every network."""
    steps = [Tensor(site).name for site in sites(GOOGLENET) if site.is_photo_step]
    assert steps == ["DecodeJpeg/contents", "DecodeJpeg", "Cast", "ExpandDims", "ResizeBilinear", "Sub", "data"]
    assert resolve_one(GOOGLENET, "Mul:0") == resolve_one(GOOGLENET, "data")


def test_too_small() -> None:
    """A photo too small for the network is refused, and the error states the smallest size."""
    with pytest.raises(OptionError, match="input size 14 is too small: expected at least 15 pixels"):
        sites(in_dialect(GOOGLENET, "torchvision"), 14)


@pytest.mark.parametrize("size", SIZES)
def test_shapes(size: int) -> None:
    """Every shape equals that of torchvision's network, as recorded in tests/golden."""
    assert blueprint_shapes(size) == json.loads(GOLDEN.read_text())[str(size)]


@pytest.mark.peers
@pytest.mark.parametrize("size", SIZES)
def test_recorded_shapes(size: int) -> None:
    """The recorded shapes are those of torchvision's network, measured with hooks."""
    assert hooked_shapes(size) == json.loads(GOLDEN.read_text())[str(size)]


@pytest.mark.peers
def test_counted_parameters() -> None:
    """The network in torchvision has as many parameters as the blueprint in torchvision's dialect."""
    counted = sum(parameter.numel() for parameter in torchvision_googlenet().parameters())
    assert cost.parameters(in_dialect(GOOGLENET, "torchvision")) == counted


def blueprint_shapes(size: int) -> dict[str, list[int]]:
    """Return name in torchvision -> [C, H, W], computed from the blueprint."""
    all_sites = sites(in_dialect(GOOGLENET, "torchvision"), size)
    inner = [site for site in all_sites if site.kind in ("conv", "pool", "concat", "average")]
    return {str(site.names.torchvision): list(site.shape) for site in inner}


def hooked_shapes(size: int) -> dict[str, list[int]]:
    """Return name in torchvision -> [C, H, W], recorded by hooks during one run, in order of execution."""
    torch = pytest.importorskip("torch")
    network = torchvision_googlenet()
    shapes: dict[str, list[int]] = {}

    def note(name: str) -> Any:
        return lambda _module, _inputs, output: shapes.update({name: list(output.shape[1:])})

    looked_at = ("BasicConv2d", "Inception", "MaxPool2d", "AdaptiveAvgPool2d")
    handles = [
        child.register_forward_hook(note(name))
        for name, child in network.named_modules()
        if type(child).__name__ in looked_at and not name.startswith("aux")
    ]
    with torch.no_grad():
        network(torch.zeros(1, 3, size, size))
    for handle in handles:
        handle.remove()
    return shapes


@cache
def torchvision_googlenet() -> Any:
    """Return torchvision's network in evaluation mode, with both auxiliary classifiers and random weights."""
    stand_in_operators()
    models = pytest.importorskip("torchvision.models")
    return models.googlenet(weights=None, init_weights=False, aux_logits=True).eval()


@cache
def stand_in_operators() -> Any:
    """Declare torchvision's own operators if torchvision was built for another PyTorch; its networks do not use them."""
    torch = pytest.importorskip("torch")
    try:
        import torchvision
    except ImportError:
        return None
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        return library  # cached, because the operators exist only as long as this object
    return torchvision
