"""Compute the colour decorrelation matrix, the constant ``COLOURS`` of ``filters/visualisation/spectrum.py``.

    python -m bench.studies.colours

Prints the principal components of the colours of godeeper's sample pictures. Each is scaled by its standard deviation,
relative to the first.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from godeeper.filters.sample import PICTURES
from godeeper.filters.visualisation.spectrum import COLOURS

SIDE = 299


def main() -> int:
    pictures = [path for path in sorted(PICTURES.rglob("*")) if path.suffix in (".jpg", ".png")]
    pixels = [np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE)), np.float32) for path in pictures]
    variances, vectors = np.linalg.eigh(np.cov(np.stack(pixels).reshape(-1, 3).T / 255))
    components = (vectors * np.sqrt(variances))[:, ::-1]
    components *= np.where(components.sum(axis=0) < 0, -1, 1) / np.linalg.norm(components[:, 0])
    print(f"{len(pictures)} pictures\n{np.round(components, 3)}\nin the code\n{COLOURS}")
    signs = np.sign((components * COLOURS).sum(axis=0))
    return 0 if np.abs(components * signs - COLOURS).max() < 0.01 else 1


if __name__ == "__main__":
    raise SystemExit(main())
