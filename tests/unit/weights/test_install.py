"""``weights add`` installs weights completely, or changes nothing."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from godeeper.errors import GodeeperError, OptionError, OutputError, UnknownName, WeightsError
from godeeper.weights import install
from godeeper.weights.install import Options, add
from godeeper.weights.official import OFFICIAL, SCALINGS, Release, digests
from godeeper.weights.registry import find, installed_paths

Make = Callable[..., Any]


@pytest.fixture
def theirs(numbers_of: Make, as_torchvision: Make) -> dict[str, Any]:
    """A torchvision state dict of the tiny network."""
    tensors: dict[str, Any] = as_torchvision(numbers_of())
    return tensors


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return name -> bytes of the files in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_added_weights_are_found_by_name(theirs: Any, torch_file: Make, own_folder: Path) -> None:
    """Added weights are named after the file's stem; the registry finds them by name, and they pass verification."""
    added = add(torch_file(theirs, "my network.pth"))
    assert added.file.path == own_folder / "my-network.safetensors"
    found = find("my-network")
    assert found.sha256 == added.file.sha256
    found.verify()


def test_the_source_is_kept(theirs: Any, torch_file: Make) -> None:
    """A weights file records the SHA-256 of the file that it was converted from."""
    path = torch_file(theirs)
    assert add(path).file.description.source == f"state.pth, SHA-256 {digests(path).sha256}"


def test_no_name_is_taken_twice(theirs: Any, torch_file: Make, own_folder: Path) -> None:
    """Installed weights are replaced only with --replace."""
    add(torch_file(theirs))
    before = snapshot(own_folder)
    theirs["fc.bias"] = theirs["fc.bias"] + 1
    with pytest.raises(OptionError, match="already installed"):
        add(torch_file(theirs))
    assert snapshot(own_folder) == before
    add(torch_file(theirs), Options(replace=True))
    assert snapshot(own_folder) != before


@pytest.mark.parametrize("kind", ["theirs", "text", "folder", "dangling"])
def test_others_files_are_not_replaced(theirs: Any, torch_file: Make, own_folder: Path, kind: str) -> None:
    """A file in the weights folder that godeeper did not write is kept, even with --replace."""
    from safetensors.numpy import save_file

    place = own_folder / "mine.safetensors"
    own_folder.mkdir(parents=True)
    match kind:
        case "theirs":
            save_file({"godeeper": np.zeros(3)}, place, metadata={"format": "pt"})
        case "text":
            place.write_text("dear")
        case "folder":
            place.mkdir()
        case "dangling":
            place.symlink_to("nowhere")
    before = os.lstat(place)
    with pytest.raises(OptionError, match=r"mine.safetensors exists and was not written by godeeper; move it"):
        add(torch_file(theirs), Options(name="mine", replace=True))
    after = os.lstat(place)
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)
    assert [path.name for path in own_folder.iterdir()] == ["mine.safetensors"]


@pytest.mark.parametrize("name", ["bundled", "a/b", "..", "-x", ".hidden", "a b"])
def test_bad_names_are_refused(theirs: Any, torch_file: Make, own_folder: Path, name: str) -> None:
    """Only plain names are accepted, and not the name of the bundled weights."""
    with pytest.raises(OptionError):
        add(torch_file(theirs), Options(name=name))
    assert not snapshot(own_folder)


def test_a_file_that_does_not_fit_changes_nothing(theirs: Any, torch_file: Make, own_folder: Path) -> None:
    """After a refused replacement the installed weights still work, and no other file exists."""
    add(torch_file(theirs))
    before = snapshot(own_folder)
    del theirs["fc.bias"]
    with pytest.raises(WeightsError):
        add(torch_file(theirs), Options(replace=True))
    assert snapshot(own_folder) == before


def test_a_full_disk_changes_nothing(
    theirs: Any, torch_file: Make, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk is full, the old weights stay and no incomplete file is left."""
    add(torch_file(theirs))
    before = snapshot(own_folder)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        add(torch_file(theirs), Options(replace=True))
    assert "\n" not in str(caught.value)
    assert snapshot(own_folder) == before


def test_scaling_can_be_given(theirs: Any, torch_file: Make) -> None:
    """With ``--scaling imagenet``, each colour channel is scaled by its own mean and standard deviation."""
    import godeeper

    description = add(torch_file(theirs), Options(scaling="imagenet")).file.description
    assert list(description.preprocessing["subtract"]) == SCALINGS["imagenet"]["subtract"]
    preprocess = godeeper.load(weights="state").preprocess
    grey = preprocess(godeeper.decode(np.full((40, 40, 3), 128, np.uint8)))
    wanted = (128 / 255 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(grey[0, :, 0, 0], wanted, rtol=1e-5)
    with pytest.raises(UnknownName, match="unknown scaling 'mean'"):
        add(torch_file(theirs), Options(name="other", scaling="mean"))


def test_labels_can_be_given(numbers_of: Make, as_torchvision: Make, torch_file: Make, tmp_path: Path) -> None:
    """A file of labels has one class per line, in any language."""
    (tmp_path / "classes.txt").write_text("кошка\n\ndog\nпес \n", encoding="utf-8")
    path = torch_file(as_torchvision(numbers_of("torchvision", 3)))
    added = add(path, Options(labels=tmp_path / "classes.txt"))
    assert added.file.description.labels == ("кошка", "dog", "пес")
    assert added.file.blueprint.classes == 3


def test_our_own_file_is_taken_as_it_is(theirs: Any, torch_file: Make, tmp_path: Path) -> None:
    """A file that godeeper wrote elsewhere keeps dialect, labels and source under its new name."""
    path = add(torch_file(theirs)).file.path
    elsewhere = tmp_path / "from-a-friend.safetensors"
    path.rename(elsewhere)
    added = add(elsewhere, Options(name="friend"))
    assert added.file.description.source.startswith("state.pth")
    added.file.verify()
    assert "friend" in installed_paths()


def test_an_official_file_is_recognised(theirs: Any, torch_file: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the user downloaded by hand is recognised by its hash, and gets the release's name, licence and scaling."""
    path = torch_file(theirs, "whatever.bin")
    release = Release(
        "tiny-release",
        "https://x.example/t.pth",
        "",
        "MIT",
        "a test",
        digests(path).sha256[:8],
        preprocessing=SCALINGS["imagenet"],
    )
    monkeypatch.setitem(OFFICIAL, release.name, release)
    added = add(path)
    assert added.file.name == "tiny-release"
    assert added.file.description.licence == "MIT"
    assert added.file.description.preprocessing["divide"] == SCALINGS["imagenet"]["divide"]
    assert "this is the official release tiny-release" in added.notes


def test_an_official_name_is_not_given_to_another_file(theirs: Any, torch_file: Make) -> None:
    """Other weights cannot be called imagenet-torchvision."""
    with pytest.raises(GodeeperError, match="not the published file"):
        add(torch_file(theirs), Options(name="imagenet-torchvision"))
    assert "imagenet-torchvision" not in installed_paths()


def test_a_word_longer_than_a_file_s_name() -> None:
    """A word that is too long for a file name gives the error for an unknown name, not an operating-system error."""
    with pytest.raises(UnknownName) as caught:
        add("x" * 5000, Options())
    assert len(str(caught.value)) < 1000


def test_a_word_that_is_neither_file_nor_release(tmp_path: Path) -> None:
    """For a word that is neither a file nor a release, the error lists the official names."""
    with pytest.raises(UnknownName, match="imagenet-torchvision"):
        add("imagnet")
    with pytest.raises(WeightsError, match="No such file"):
        add(tmp_path / "none.pth")


@pytest.mark.parametrize("classes", [7, 1000, 1001, 1008])
def test_softmax_is_computed_for_any_number_of_classes(
    numbers_of: Make, as_torchvision: Make, torch_file: Make, classes: int
) -> None:
    """For any number of classes the probabilities sum to one, and the likeliest class is first."""
    import godeeper

    add(torch_file(as_torchvision(numbers_of("torchvision", classes))))
    net = godeeper.load(weights="state")
    guesses = net.classify(np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8), top=2000)
    assert len(guesses) == classes
    assert sum(guess.probability for guess in guesses) == pytest.approx(1, abs=1e-5)
    assert guesses[0].probability == max(guess.probability for guess in guesses)
    assert guesses[0].label == net.weights.description.labels[guesses[0].number]


def test_pins_that_cannot_be_read_are_an_error(own_folder: Path) -> None:
    """A damaged list of pinned hashes raises an error, and is not treated as empty."""
    from godeeper.weights.official import pins

    own_folder.mkdir(parents=True)
    for content in ("{", "[]", '{"a": {}}', '{"a": 3}'):
        (own_folder / "pins.json").write_text(content)
        with pytest.raises(WeightsError, match=r"pins\.json: cannot read it"):
            pins(own_folder)
    (own_folder / "pins.json").write_text(json.dumps({"a": {"sha256": "00"}}))
    assert pins(own_folder)["a"]["sha256"] == "00"


def test_a_release_without_a_reader_is_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose format needs a missing package is refused before it is downloaded."""
    monkeypatch.setattr("godeeper.weights.formats.keras_h5.find_spec", lambda _: None)
    monkeypatch.setattr(install, "Downloader", None)
    with pytest.raises(WeightsError, match="needs h5py"):
        add("imagenet-keras")


@pytest.mark.peers
@pytest.mark.filterwarnings("ignore")  # torchvision warns if its compiled operators are missing
@pytest.mark.parametrize("kind", ["torchvision", "fid"])
def test_torchvisions_state_dict_gives_torchvisions_numbers(tmp_path: Path, kind: str) -> None:
    """For torchvision's Inception v3 and its 2015 variant, godeeper's modules and logits agree with PyTorch's."""
    torch = pytest.importorskip("torch")
    model = torchvision_model(torch, 1000 if kind == "torchvision" else 1008)
    if kind == "fid":
        patch_pools(torch, model)
    torch.save(model.state_dict(), tmp_path / "peer.pth")
    added = add(tmp_path / "peer.pth")
    import godeeper

    net = godeeper.load(weights=added.file.name)
    x = np.random.default_rng(0).uniform(-1, 1, (1, 299, 299, 3)).astype(np.float32)
    modules = ["Mixed_5b", "Mixed_6a", "Mixed_6e", "Mixed_7a", "Mixed_7c"]
    wanted: dict[str, Any] = {}
    for name in modules:
        getattr(model, name).register_forward_hook(lambda _m, _x, out, name=name: wanted.update({name: out.numpy()}))
    with torch.inference_mode():
        logits = model(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    got = net.run([*modules, "fc"], {"x": x})
    for name, ours in zip(modules, got[:-1], strict=True):
        theirs = wanted[name].transpose(0, 2, 3, 1)
        assert np.abs(ours - theirs).max() / np.abs(theirs).max() <= 1e-4, name
    assert np.abs(got[-1] - logits).max() / np.abs(logits).max() <= 1e-4


def torchvision_model(torch: Any, classes: int) -> Any:
    """Return torchvision's network with random batch normalisation, and declare its missing compiled operators."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    model = torchvision.models.inception_v3(
        weights=None, init_weights=False, num_classes=classes, transform_input=False
    )
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    return model.eval()


def patch_pools(torch: Any, model: Any) -> None:
    """Give torchvision's model the pools of the 2015 graph: padding is not counted, and the last module has a max pool."""
    functional = torch.nn.functional

    class Pools:
        """Replaces torch.nn.functional in torchvision's module."""

        def __init__(self, last: bool) -> None:  # noqa: FBT001 (a helper of one caller)
            self.last = last

        def __getattr__(self, name: str) -> Any:
            return getattr(functional, name)

        def avg_pool2d(self, x: Any, **sizes: Any) -> Any:
            if self.last:
                return functional.max_pool2d(x, **sizes)
            return functional.avg_pool2d(x, count_include_pad=False, **sizes)

    import sys

    source = sys.modules["torchvision.models.inception"]
    for name, module in model.named_children():
        if name.startswith("Mixed"):
            forward = type(module)._forward
            patched = type(forward)(
                forward.__code__, {**vars(source), "F": Pools(name == "Mixed_7c")}, forward.__name__
            )
            module._forward = patched.__get__(module)
