"""HTTP around the page: connections, who may ask, uploads, errors.  Nothing here knows of networks."""
