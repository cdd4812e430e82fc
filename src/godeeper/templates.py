"""HTML templates: the Jinja environment of the web page and the report, which escapes every value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .escaping import escaped

if TYPE_CHECKING:
    from jinja2 import Environment


def template_environment(package: str) -> Environment:
    """An environment for the folder ``templates`` of ``package``; an undefined variable in a template is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )


def visible(value: object) -> object:
    """A value as a template prints it: control characters in text are escaped."""
    return escaped(value) if type(value) is str else value  # Markup, a subclass of str, is godeeper's own HTML
