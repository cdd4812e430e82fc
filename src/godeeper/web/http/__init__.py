"""The HTTP layer of the page: connections, access control, uploads, errors.  It imports nothing about networks."""
