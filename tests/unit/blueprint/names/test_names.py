"""One test per row of the name table: every name in use means the same tensor."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from godeeper.blueprint.address import look_up, meanings, parse, resolve_one
from godeeper.blueprint.dialects import in_dialect
from godeeper.blueprint.inception_v3 import INCEPTION_V3
from godeeper.blueprint.names.inception_v3 import SLIM_EXCEPTIONS
from godeeper.blueprint.ops import Conv, Pool
from godeeper.blueprint.sites import Site, sites

TABLE = Path(__file__).parents[3] / "data" / "inception_v3_names.tsv"
ROWS = list(csv.DictReader(TABLE.read_text().splitlines(), delimiter="\t"))
KINDS = {"conv_bn_relu": "conv", "maxpool": "pool", "avgpool_excl_pad": "pool", "concat": "concat"}
NETWORK = in_dialect(INCEPTION_V3, "2015")  # the table's dialect: 1008 classes, and a max pool in mixed_10


def site_called(name: str) -> Site:
    return look_up(NETWORK, parse(name))[0]


def row_site(row: dict[str, str]) -> Site:
    """Return the site of a row, found by the row's first name."""
    return site_called(row["tf2015"] or row["slim"])


def row_names(row: dict[str, str]) -> list[str]:
    """Return every name in a row, without remarks in brackets and with alternatives split."""
    slim = [row["slim"].replace(" + SpatialSqueeze", "")]
    slim += re.findall(r"\(end point (\w+)\)", row["slim"])
    torchvision = [] if "functional" in row["torchvision"] or "inner" in row["torchvision"] else [row["torchvision"]]
    keras = [] if "not exposed" in row["keras_layer"] else row["keras_layer"].split("|")
    keras += [f"keras:{name}" for name in keras if name]
    keras += [f"keras2.2:{name}" for name in row["keras2.2_layer"].split("|") if name and "not exposed" not in name]
    names = [row["tf2015"], *slim, *torchvision, *keras, row["torch_fx"]]
    names = [re.sub(r"\s*\(.*\)", "", name) for name in names]
    return [name for name in names if name and name != "transform_input"]


def test_the_table_has_every_site() -> None:
    """The blueprint has the same sites as the table, in the same order except for inner joins."""
    assert len(ROWS) == len(sites(NETWORK))
    listed = [row_site(row).index for row in ROWS if row["tf2015"]]
    assert listed == sorted(listed)
    assert {row_site(row).index for row in ROWS} == set(range(len(ROWS)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["order"] + ":" + (row["tf2015"] or row["slim"]))
def test_row(row: dict[str, str]) -> None:
    """Every name of the row resolves to its site, whose shape, cost, window and receptive field are the row's."""
    site = row_site(row)
    assert {site_called(name).index for name in row_names(row)} == {site.index}
    assert site.names.tf2015 == (row["tf2015"] or None)
    if row["out_h"].isdigit():
        assert site.shape == (int(row["out_ch"]), int(row["out_h"]), int(row["out_w"]))
    elif row["out_ch"]:
        assert site.shape[0] == int(row["out_ch"])
    if row["rf_h"]:
        assert site.field.size == (int(row["rf_h"]), int(row["rf_w"]))
        assert site.field.jump == int(row["jump"])
        assert site.field.centre == tuple(map(int, row["rf_center0"].split(",")))
    if row["kind"] in KINDS:
        assert site.kind == KINDS[row["kind"]]
    if isinstance(site.op, Conv | Pool):
        assert site.op.kernel == tuple(map(int, row["kernel"].split("x")))
        assert (site.op.stride, site.op.padding) == (int(row["stride"]), row["padding"])
        assert sites(NETWORK)[site.inputs[0]].shape[0] == int(row["in_ch"])
    if row["kind"] == "conv_bn_relu":
        height, width = map(int, row["kernel"].split("x"))
        cells = int(row["out_h"]) * int(row["out_w"])
        assert site.macs == height * width * int(row["in_ch"]) * int(row["out_ch"]) * cells


@pytest.mark.parametrize("row", [row for row in ROWS if row["keras2.2_conv_index"]], ids=lambda row: row["tf2015"])
def test_stages(row: dict[str, str]) -> None:
    """The raw, normalised and rectified names of a convolution mean its three stages."""
    scope, slim, torch = row["tf2015"], "InceptionV3/InceptionV3/" + row["slim"], row["torchvision"]
    number = int(row["keras2.2_conv_index"])
    today = f"_{number - 1}" if number > 1 else ""
    expected = {
        "conv": [
            f"{scope}/Conv2D:0", f"{slim}/Conv2D", f"{slim}/convolution:0", f"{torch}.conv",
            f"conv2d{today}", f"conv2d{today}/Conv2D:0", f"inception_v3/conv2d{today}/Conv2D", f"keras2.2:conv2d_{number}",
        ],
        "batchnorm": [
            f"{scope}/batchnorm", f"{scope}/CheckNumerics:0", f"{slim}/BatchNorm", f"{torch}.bn", f"batch_normalization{today}",
            f"batch_normalization{today}/FusedBatchNormV3:0", f"keras2.2:batch_normalization_{number}",
        ],
        "relu": [f"{scope}:0", f"{slim}/Relu:0", f"{torch}.relu", f"activation{today}", f"activation{today}/Relu:0", f"keras2.2:activation_{number}"],
    }  # fmt: skip
    found = {stage: {resolve_one(NETWORK, name) for name in names} for stage, names in expected.items()}
    assert {stage: [t.stage for t in tensors] for stage, tensors in found.items()} == {s: [s] for s in expected}
    assert {tensor.site.index for tensors in found.values() for tensor in tensors} == {row_site(row).index}


def test_printed_names_are_understood() -> None:
    """Every name that godeeper prints can be parsed, and no name means two tensors."""
    table = meanings(NETWORK)
    for site in sites(NETWORK):
        for name in site.names.as_dict().values():
            assert name is None or [meant for meant, _ in table[name]] == [site]


def test_names_do_not_follow_the_dialect() -> None:
    """A tensor has the same names in all dialects, even if the releases compute it differently."""
    plain = [site.names for site in sites(INCEPTION_V3)]
    for dialect in ("2015", "torchvision", "slim", "keras"):
        assert [site.names for site in sites(in_dialect(INCEPTION_V3, dialect))] == plain


def test_slim_has_five_oddities() -> None:
    """Each listed exception to slim's naming rule occurs, and differs from the rule."""
    names = {site.names.slim for site in sites(INCEPTION_V3)}
    assert len(SLIM_EXCEPTIONS) == 5
    assert set(SLIM_EXCEPTIONS.values()) <= names
    assert not set(SLIM_EXCEPTIONS) & names
