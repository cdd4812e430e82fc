"""The blog's first picture as a user of Keras would draw it, from JPEG to PNG.

    python keras_script.py PHOTO WEIGHTS.weights.h5 PICTURE.png [VALUES.npy]

The fourth argument writes the values for comparison; timed runs omit it.
"""

import sys

import keras
import numpy as np
from keras.applications.inception_v3 import InceptionV3, preprocess_input
from PIL import Image

photo, weights, picture = sys.argv[1:4]

image = keras.utils.load_img(photo, target_size=(299, 299), interpolation="bilinear")
x = preprocess_input(keras.utils.img_to_array(image)[None])

model = InceptionV3(weights=None)
model.load_weights(weights)
# The twelfth activation. This version of Keras numbers layers from zero (`activation`, `activation_1`, …); the published weight
# files number them from one.
part = keras.Model(model.input, model.get_layer("activation_11").output)
# Call the model rather than `predict`: Keras recommends it for a single batch, and it is faster.
filters = part(x, training=False).numpy()[0].transpose(2, 0, 1)  # (32, 35, 35)

grey = (filters - filters.min()) / (filters.max() - filters.min())
mosaic = grey.reshape(4, 8, 35, 35).transpose(0, 2, 1, 3).reshape(4 * 35, 8 * 35)
Image.fromarray((mosaic * 255).astype(np.uint8)).save(picture)

if len(sys.argv) > 4:
    np.save(sys.argv[4], filters)
