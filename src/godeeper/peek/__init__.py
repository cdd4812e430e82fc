"""The activations of one tensor for one photo: as a record, as statistics, and as a picture."""
