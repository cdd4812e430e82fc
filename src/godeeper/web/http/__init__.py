"""The HTTP layer of the page: connections, access control, uploads, errors.  It does not depend on the network."""
