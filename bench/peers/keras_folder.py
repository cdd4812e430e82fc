"""Features of a folder of JPEGs as a user of Keras would compute them.

    python keras_folder.py FOLDER WEIGHTS.weights.h5 FEATURES.npy

``WEIGHTS`` is the file for the whole model.  The last pooling layer returns 2,048 features per photo.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras.applications.inception_v3 import InceptionV3, preprocess_input

folder, weights, features = sys.argv[1:4]


def read(path: "tf.Tensor") -> "tf.Tensor":
    image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    return preprocess_input(tf.image.resize(image, (299, 299), antialias=True))


paths = sorted(map(str, Path(folder).glob("*.jpg")))
photos = tf.data.Dataset.from_tensor_slices(paths).map(read, num_parallel_calls=tf.data.AUTOTUNE)
photos = photos.batch(32).prefetch(tf.data.AUTOTUNE)

model = InceptionV3(weights=None)
model.load_weights(weights)
part = keras.Model(model.input, model.get_layer("avg_pool").output)
np.save(features, part.predict(photos, verbose=0))
