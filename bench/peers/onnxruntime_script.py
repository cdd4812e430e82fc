"""The blog's first picture, from JPEG to PNG: a lower bound for the time.

The graph is already cut down to this one tensor, with batch normalisation folded in.

    python onnxruntime_script.py PHOTO GRAPH.onnx PICTURE.png [VALUES.npy]

The script validates no input and supports one tensor only.  The fourth argument writes the values for
comparison; timed runs omit it.
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

photo, graph, picture = sys.argv[1:4]

image = Image.open(photo).convert("RGB").resize((299, 299), Image.Resampling.BILINEAR)
x = (np.asarray(image, np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]

session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
filters = session.run(None, {session.get_inputs()[0].name: x})[0][0]  # (32, 35, 35)

grey = (filters - filters.min()) / (filters.max() - filters.min())
mosaic = grey.reshape(4, 8, 35, 35).transpose(0, 2, 1, 3).reshape(4 * 35, 8 * 35)
Image.fromarray((mosaic * 255).astype(np.uint8)).save(picture)

if len(sys.argv) > 4:
    np.save(sys.argv[4], filters)
