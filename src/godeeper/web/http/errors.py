"""What the page answers with 4xx: errors that know their status, and the status of godeeper's other errors."""

from __future__ import annotations

from http import HTTPStatus

from ...errors import GodeeperError, UnknownAddress


class RequestError(GodeeperError):
    """A request that is not answered, and the status that says why."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Superseded(GodeeperError):
    """Work that nobody waits for any more: the same tab has turned to another photo."""


class TooManyTabs(RequestError):
    """A photo that came too slowly while others waited for the memory it held."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.REQUEST_TIMEOUT, "too many photos arrive at once, and this one was the slowest: send it again"
        )


def not_found(message: str) -> RequestError:
    """There is no such thing here."""
    return RequestError(HTTPStatus.NOT_FOUND, message)


def not_kept(photo: str) -> RequestError:
    """The photo is not, or no longer, in memory."""
    return not_found(
        f"no photo {photo[:40]!r} here: photos are kept only in memory, and old ones are dropped when it fills; drop the photo again"
    )


def status_of(error: GodeeperError) -> HTTPStatus:
    """The status of an answer that is ``error``."""
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, UnknownAddress):
        return HTTPStatus.NOT_FOUND
    return HTTPStatus.CONFLICT if isinstance(error, Superseded) else HTTPStatus.UNPROCESSABLE_ENTITY
