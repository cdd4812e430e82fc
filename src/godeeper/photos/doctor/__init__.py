"""The photo doctor: judges every file of a folder before anything is learned from it."""
