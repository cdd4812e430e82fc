"""A trained classifier: its predictions, its file, and its scikit-learn estimators."""
