"""A classifier as a user of Keras would train it: features of Inception v3, then a dense layer.

    python keras_classifier.py FOLDER WEIGHTS.weights.h5

``FOLDER`` contains ``train`` and ``test``, each with one folder per class.  Prints one line of JSON: the accuracy on ``test``
and the number of photos in it.
"""

import json
import sys
from typing import Any

import keras
from keras.applications.inception_v3 import InceptionV3, preprocess_input

folder, weights = sys.argv[1:3]
BATCH, EPOCHS = 32, 30


def photos(part: str) -> tuple[list[str], Any]:
    """Return the classes of one part, and its batches of (pixels, labels), prefetched while the network computes."""
    found = keras.utils.image_dataset_from_directory(
        f"{folder}/{part}", label_mode="int", image_size=(299, 299), batch_size=BATCH, shuffle=False, verbose=False
    )
    return found.class_names, found.prefetch(2)


whole = InceptionV3(weights=None)
whole.load_weights(weights)
body = keras.Model(whole.input, whole.get_layer("avg_pool").output)


def features(part: str) -> tuple[Any, Any, list[str]]:
    """Return (N, 2048) features, (N,) labels and the classes of one part."""
    classes, batches = photos(part)
    labels = [int(label) for _, batch in batches for label in batch]
    inputs = batches.map(lambda pixels, _: preprocess_input(pixels))
    return body.predict(inputs, verbose=0), keras.ops.convert_to_tensor(labels), classes


seen, labels, classes = features("train")
head = keras.Sequential([keras.layers.Dense(len(classes), activation="softmax")])
head.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
head.fit(seen, labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)

unseen, truth, _ = features("test")
_, accuracy = head.evaluate(unseen, truth, verbose=0)
print(json.dumps({"accuracy": float(accuracy), "photos": len(unseen)}))
