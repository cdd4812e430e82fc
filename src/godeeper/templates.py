"""HTML templates: one Jinja environment for the page and the report, in which everything is escaped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .escaping import escaped

if TYPE_CHECKING:
    from jinja2 import Environment


def template_environment(package: str) -> Environment:
    """The templates in the folder ``templates`` of a package; a name that a template lacks is an error."""
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
    return escaped(value) if type(value) is str else value  # Markup is a str, too, and is written by godeeper
