"""What a tensor says about a photo, as a record and as a picture."""
