"""docs/README.md leads to every command and every page."""

from __future__ import annotations

import re

from tests.docs.pages import PAGES, ROOT

from godeeper.cli.main import COMMANDS

DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
DECISIONS = DOCS / "decisions"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def test_the_index_names_every_command() -> None:
    """A reader who opens docs/ finds a page for each command."""
    text = INDEX.read_text("utf-8")
    missing = [command for command in COMMANDS if f"`godeeper {command}`" not in text]
    assert not missing, f"add {missing} to the table in docs/README.md"


def test_the_index_links_every_page() -> None:
    """Every page of docs/ except single decisions is one link away."""
    links = {(DOCS / link).resolve() for link in LINK.findall(INDEX.read_text("utf-8"))}
    pages = {page for page in PAGES if page.is_relative_to(DOCS) and not page.is_relative_to(DECISIONS)} - {INDEX}
    missing = sorted(str(page.relative_to(DOCS)) for page in pages - links)
    assert not missing, f"link {missing} in docs/README.md"


def test_the_list_of_decisions_has_their_titles() -> None:
    """Each decision is listed by number, with the title of its page."""
    listed = [line for line in (DECISIONS / "README.md").read_text("utf-8").splitlines() if re.match(r"\d+\. ", line)]
    expected = []
    for page in sorted(DECISIONS.glob("0*.md")):
        number, title = page.read_text("utf-8").splitlines()[0].removeprefix("# ").split(". ", 1)
        expected.append(f"{number}. [{title}]({page.name})")
    assert listed == expected, "list each decision, with its title, in docs/decisions/README.md"
