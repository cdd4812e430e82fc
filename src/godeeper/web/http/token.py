"""The access token: check it, and move it from the printed URL into a cookie.

The printed URL contains the token (``?token=…``).  The first visit sets a cookie and redirects to the same URL without the
token, which keeps the token out of the address bar and bookmarks.  Programs send ``Authorization: Bearer TOKEN``.

The cookie holds a hash of the token, belongs to one host and is ``SameSite=Strict``.  It therefore also shows that a request
does not come from another site.  Over plain HTTP to another machine, nothing else shows that.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus

from starlette.responses import HTMLResponse, RedirectResponse, Response

from ...errors import OptionError
from .root import at

if TYPE_CHECKING:
    from starlette.datastructures import Headers

FIELD = "token"
GUESSABLE = 16  # characters; a shorter token can be guessed


def token_of(text: str, *, is_loopback: bool, has_proxy: bool) -> str | None:
    """The token that ``--token`` asks for; None if none is required.  Raises ``OptionError``.

    ``auto`` makes a random token if anyone other than this machine's users can reach the page.
    """
    if text == "auto":
        return None if is_loopback and not has_proxy else secrets.token_urlsafe(24)
    if text == "none":
        if not is_loopback:
            raise OptionError("--token none: expected a loopback --host with it; give a TOKEN, or remove --token")
        return None
    if not text or not all("!" <= character <= "~" for character in text):
        raise OptionError("--token: expected auto, none, or printable ASCII characters without spaces")
    return text


class Token:
    """One token, and its cookie."""

    def __init__(self, text: str) -> None:
        self.text = text
        digest = hashlib.sha256(b"godeeper " + text.encode()).hexdigest()
        self.cookie, self.value = f"godeeper-{digest[:8]}", digest[8:]

    def is_carried(self, headers: Headers) -> bool:
        """Whether a request has the token, as a cookie or in ``Authorization``."""
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and same(credentials.strip(), self.text):
            return True
        crumbs = (crumb.strip().partition("=") for line in headers.getlist("cookie") for crumb in line.split(";"))
        return any(name == self.cookie and same(value, self.value) for name, _, value in crumbs)

    def is_in(self, query: str) -> bool:
        """Whether a query has the token."""
        found = [unquote_plus(part.partition("=")[2]) for part in query.split("&") if is_token(part)]
        return len(found) == 1 and same(found[0], self.text)

    def welcome(self, path: str, query: str, *, is_https: bool, from_elsewhere: bool) -> Response:
        """Set the cookie and redirect to the same page without the token.

        If the visitor followed a link on another site (``from_elsewhere``), the response is a page that redirects, because
        the browser would not send the cookie after an HTTP redirect.
        """
        rest = "&".join(part for part in query.split("&") if part and not is_token(part))
        where = at(quote(f"/{path.lstrip('/')}")) + (f"?{rest}" if rest else "")
        response: Response = RedirectResponse(where, HTTPStatus.SEE_OTHER)
        if from_elsewhere:
            there = html.escape(where)
            response = HTMLResponse(
                f'{HEAD}<meta http-equiv="refresh" content="0; url={there}"><p><a href="{there}">Continue to the page</a></p>'
            )
        response.set_cookie(self.cookie, self.value, path=at("/"), secure=is_https, httponly=True, samesite="strict")
        return response


HEAD = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>godeeper</title>'
NEEDED = "this server requires the token from the address that it printed"
HOW = "open the printed address, or send Authorization: Bearer TOKEN"


def token_page() -> Response:
    """The page for a browser without the token.

    Browsers do not send the cookie with a link from another site, so this page has a link to itself.
    """
    body = (
        f'{HEAD}<p>{NEEDED.capitalize()}: {HOW}.</p><p><a href="">If this browser has already done so, continue</a></p>'
    )
    return HTMLResponse(body, HTTPStatus.UNAUTHORIZED)


def is_token(part: str) -> bool:
    """Whether a part of a query is the token parameter."""
    return unquote_plus(part.partition("=")[0]) == FIELD


def same(given: str, expected: str) -> bool:
    """Whether two texts are equal, compared in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())
