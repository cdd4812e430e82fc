"""Where photos come from: files, folders, lists and zip archives."""
