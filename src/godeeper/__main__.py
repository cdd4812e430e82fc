"""``python -m godeeper``."""

from .cli.main import run

run()
