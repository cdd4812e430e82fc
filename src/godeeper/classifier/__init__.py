"""A trained classifier: what it predicts, the file it is kept in, and its scikit-learn estimators."""
