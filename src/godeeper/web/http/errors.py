"""Errors with an HTTP status, and the status of godeeper's other errors."""

from __future__ import annotations

from http import HTTPStatus

from ...errors import GodeeperError, UnknownAddress


class RequestError(GodeeperError):
    """A request that cannot be served, with its HTTP status."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Superseded(GodeeperError):
    """A subscription was cancelled, because its tab now shows another photo or the server is shutting down."""


class TooManyUploads(RequestError):
    """An upload was dropped, because it was the slowest one while others waited for memory."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.REQUEST_TIMEOUT,
            "too many photos are uploaded at once, and this upload was the slowest: send it again",
        )


def not_found(message: str) -> RequestError:
    """A 404 with a message."""
    return RequestError(HTTPStatus.NOT_FOUND, message)


def not_kept(photo: str) -> RequestError:
    """The error for a photo that is not in memory."""
    return not_found(
        f"no photo {photo[:40]!r} here: photos are kept only in memory, and old ones are dropped when it fills; upload the photo again"
    )


def status_of(error: GodeeperError) -> HTTPStatus:
    """The HTTP status for ``error``."""
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, UnknownAddress):
        return HTTPStatus.NOT_FOUND
    return HTTPStatus.CONFLICT if isinstance(error, Superseded) else HTTPStatus.UNPROCESSABLE_ENTITY
