"""Evidence as a picture: the photo in grey, tinted by the evidence on one signed scale.

A light grey photo is multiplied by the colours of a diverging colour map, whose middle is white.  The photo therefore
stays grey where there is no evidence.  The cells of each module, below the photo, have the colours of the colour bar.
Colours stand for densities, in logits per hundredth of the photo's area.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..peek.colour import table
from ..peek.geometry import field_box
from ..peek.layout import FAINT, INK, LARGE, PANEL_GAP, SMALL, Column, Line, beside, stack
from ..png import encode_png
from ..version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .evidence import Class, Evidence
    from .module_evidence import ModuleEvidence

    Doubles = NDArray[np.float64]

COLOUR = "blue-red"  # its middle is white

PANEL = 520  # the longer side of the photo
SMALL_PANEL = 250  # the longer side of a module's panel
PALEST = 96  # the level of black in the grey photo; a tint would be invisible on real black
MOST = 4  # classes named in the heading
UNSEEN = 0.3  # brightness of the part outside the network's crop


@dataclass(frozen=True)
class Question:
    """The evidence to draw: for the class ``label``, minus the evidence for ``against`` if given."""

    label: Class
    against: Class | None = None


@dataclass(frozen=True)
class Overlay:
    """The photo with an overlay of the evidence; the colour scale goes from -``limit`` to ``limit``."""

    image: Image.Image = field(repr=False)
    limit: float
    legend: str


def overlay(
    evidence: Evidence,
    question: Question,
    size: tuple[int, int],
    limit: float | None = None,
    address: str | None = None,
) -> Overlay:
    """The tinted photo alone, in ``size`` (width, height).

    ``limit``: the end of the scale; None for the greatest magnitude.  ``address``: the module to draw; None for all modules.
    """
    values = density(evidence, question, size, address)
    return overlay_of(evidence, question, values, greatest(values) if limit is None else limit)


def overlay_of(evidence: Evidence, question: Question, values: Doubles, limit: float) -> Overlay:
    """The photo tinted by ``values`` (height, width), a result of ``density``."""
    size = values.shape[1], values.shape[0]
    grey = np.asarray(evidence.photo.image.resize(size, Image.Resampling.LANCZOS).convert("L"), np.float32)
    pale = PALEST + grey * (255 - PALEST) / 255
    tinted = pale[:, :, None] * tint(values, limit) / 255
    image = Image.fromarray(np.rint(tinted).astype(np.uint8))
    return Overlay(dim_unseen(image, evidence), limit, legend(evidence, question, limit))


def colour_limit(evidence: Evidence, question: Question, size: tuple[int, int]) -> float:
    """The ``limit`` of the ``overlay`` of all modules."""
    return greatest(density(evidence, question, size))


def greatest(values: Doubles) -> float:
    """The greatest magnitude."""
    return float(np.abs(values).max())


def density(evidence: Evidence, question: Question, size: tuple[int, int], address: str | None = None) -> Doubles:
    """(height, width): the density of the evidence, in logits per hundredth of the photo's area."""
    spread = evidence.over_photo(question.label, size, question.against, address)
    found: Doubles = spread * (size[0] * size[1] / 100)
    return found


def tint(values: Doubles, limit: float) -> NDArray[np.uint8]:
    """(H, W, 3): the colours of ``values`` (H, W) on a scale from -``limit`` to ``limit``."""
    shares = np.clip(values / limit, -1, 1) if limit > 0 else np.zeros_like(values)
    colours: NDArray[np.uint8] = table(COLOUR)[np.rint(127.5 + 127.5 * shares).astype(np.uint8)]
    return colours


def legend(evidence: Evidence, question: Question, limit: float) -> str:
    """The legend: one sentence that explains the colours."""
    return (
        f"red is evidence for {subject(evidence, question)}, blue against it: from {-limit:.3g} to {limit:.3g} "
        "logits per hundredth of the photo's area; white is none"
    )


def subject(evidence: Evidence, question: Question) -> str:
    """The explained class as text, such as ``cat`` or ``cat over dog``."""
    labels = [question.label] if question.against is None else [question.label, question.against]
    return " over ".join(drawable(evidence, evidence.number(label)) for label in labels)


def drawable(evidence: Evidence, number: int) -> str:
    """A class's name, or its number if the font may lack its letters."""
    name = evidence.classes[number]
    return name if name.isascii() and name.isprintable() else f"class {number}"


def dim_unseen(image: Image.Image, evidence: Evidence) -> Image.Image:
    """The image with the area outside the network's crop darkened."""
    placement = evidence.placement
    across, down = image.width / placement.photo[0], image.height / placement.photo[1]
    left, top, right, bottom = placement.used
    seen = round(left * across), round(top * down), round(right * across), round(bottom * down)
    if seen == (0, 0, *image.size):
        return image
    dimmed = image.point(lambda level: round(level * UNSEEN))
    dimmed.paste(image.crop(seen), seen[:2])
    return dimmed


def png(evidence: Evidence, question: Question) -> bytes:
    """The picture as the bytes of a PNG, with provenance in text chunks."""
    return encode_png(draw(evidence, question), provenance(evidence, question))


def draw(evidence: Evidence, question: Question) -> Image.Image:
    """Draw the photo, the overlay and each module's cells, with a heading and a legend."""
    size = fitted(evidence.photo.size, PANEL)
    small = fitted(evidence.photo.size, SMALL_PANEL)
    cells = {part.address: density(evidence, question, small, part.address) for part in evidence.parts}
    whole = density(evidence, question, size)
    limit = max(map(greatest, [whole, *cells.values()]))
    over = overlay_of(evidence, question, whole, limit)
    photo = dim_unseen(evidence.photo.image.resize(size, Image.Resampling.LANCZOS), evidence)
    panels = [module_panel(part, evidence, question, tint(cells[part.address], limit)) for part in evidence.parts]
    width = max(2 * size[0] + PANEL_GAP, 2 * PANEL)
    rows = [
        Column(width).lines(heading(evidence, question)).image(),
        beside([photo, over.image], width),
        Column(width).bar(f"{-limit:.3g}", f"{limit:.3g}", COLOUR).lines(footing(evidence, over)).image(),
        beside(panels, width),
        Column(width).lines(closing(evidence)).image(),
    ]
    return stack(rows)


def fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """(width, height) with the same aspect ratio and ``longest`` as the longer side."""
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def module_panel(
    part: ModuleEvidence, evidence: Evidence, question: Question, colours: NDArray[np.uint8]
) -> Image.Image:
    """The cells of one module at their positions on the photo, with a caption."""
    image = dim_unseen(Image.fromarray(colours), evidence)
    rows, columns = part.grids.shape[1:]
    caption = Column(max(image.width, SMALL_PANEL)).lines(
        [
            Line(
                f"{part.address}: {evidence.by_module(question.label, question.against)[part.address]:+.3f}", SMALL, INK
            ),
            Line(f"{rows} x {columns} cells, {field_text(part, evidence)}", SMALL, FAINT),
        ]
    )
    return stack([image, caption.image()], margin=0, gap=6)


def field_text(part: ModuleEvidence, evidence: Evidence) -> str:
    """The receptive field of a cell, as text."""
    field, whole = part.tensor.field, evidence.placement.whole
    _, rows, columns = part.grids.shape
    corners = field_box(field, 0, 0), field_box(field, rows - 1, columns - 1)
    if all(box.within(whole) == whole for box in corners):
        return "each sees the whole photo"
    return f"each sees {field.size[0]} x {field.size[1]} pixels"


def heading(evidence: Evidence, question: Question) -> list[Line]:
    """The heading: the class, the probabilities and the sum."""
    return [
        Line(f"evidence for {subject(evidence, question)}", LARGE, INK),
        Line(verdict_line(evidence), SMALL, FAINT),
        Line(sum_line(evidence, question), SMALL, FAINT),
    ]


def verdict_line(evidence: Evidence) -> str:
    """The probabilities of the most likely classes, and the threshold, as text."""
    likely = ", ".join(
        f"{drawable(evidence, number)} {evidence.probabilities[number]:.1%}" for number in evidence.ranking[:MOST]
    )
    if evidence.threshold is None:
        return likely
    needs = f"{likely}; a verdict needs {evidence.threshold:.1%}"
    return f"{needs}: none of these" if evidence.verdict is None else needs


def sum_line(evidence: Evidence, question: Question) -> str:
    """The sum of constant and evidence, as text."""
    label, against = question.label, question.against
    constant = float(evidence.of(evidence.constant, label, against))
    modules = "".join(f" {value:+.3f} ({address})" for address, value in evidence.by_module(label, against).items())
    what = "logit" if against is None else "difference of the logits"
    return f"{what} {evidence.total(label, against):.3f} = {constant:.3f} (constant){modules}"


def footing(evidence: Evidence, over: Overlay) -> list[Line]:
    """The footer: the legend, and an explanation of cells."""
    side = evidence.placement.input_size
    return [
        Line(over.legend, SMALL, INK),
        Line(
            "zero is the average training photo; evidence is drawn where it was measured, but each cell sees "
            f"a larger area, given below in pixels of the network's {side} x {side}",
            SMALL,
            FAINT,
        ),
    ]


def closing(evidence: Evidence) -> list[Line]:
    """The provenance, as one line of text."""
    photo = evidence.photo
    name = photo.name if photo.name.isascii() else f"photo {photo.sha256[:12]}"
    return [Line(f"{name} · weights {evidence.weights} · {evidence.preprocessing}", SMALL, FAINT)]


def provenance(evidence: Evidence, question: Question) -> dict[str, str]:
    """The provenance as the text chunks of a PNG."""
    label, against = question.label, question.against
    over = "" if against is None else evidence.classes[evidence.number(against)]
    return {
        "Software": f"godeeper {__version__}",
        "godeeper:evidence": evidence.classes[evidence.number(label)],
        "godeeper:over": over,
        "godeeper:sum": sum_line(evidence, question),
        **evidence.origin.png_chunks(),
        "godeeper:modules": ", ".join(part.address for part in evidence.parts),
    }
