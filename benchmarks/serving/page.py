"""The measured parts of docs/benchmarks.md: each stands between two marks, and is replaced as a whole."""

import re
from pathlib import Path

PAGE = Path("docs/benchmarks.md")


def replaced(page: str, part: str, text: str) -> str:
    """The page with the text between <!-- part --> and <!-- /part -->. Raises ValueError where those are missing."""
    start, end = f"<!-- {part} -->\n", f"<!-- /{part} -->"
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.S)
    if not pattern.search(page):
        raise ValueError(f"{PAGE} has no part {part}")
    return pattern.sub(lambda _: f"{start}\n{text.strip()}\n\n{end}", page)
