"""Check that every link within the built site leads to a page and a place that exist.

Run ``python -m docs.tools.check_site docs/_build`` after the build.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page, and the places in it that a link may name."""

    def __init__(self, path):
        super().__init__()
        self.links, self.places = set(), {"", "top"}
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        """Keep what a tag links to, and its id."""
        attrs = dict(attrs)
        self.places |= {attrs.get("id"), attrs.get("name")}
        self.links |= {attrs.get("href"), attrs.get("src")} - {None}


def dead_links(site):
    """Return the links that lead nowhere, as pairs of a page and a link."""
    pages = {
        path.resolve(): Page(path)
        for path in Path(site).rglob("*.html")
        if "_static" not in path.parts
    }
    dead = []
    for path, page in pages.items():
        for link in sorted(page.links):
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            found = pages.get(target)
            if not target.exists() or (found and unquote(url.fragment) not in found.places):
                dead.append((path.relative_to(Path(site).resolve()), link))
    return dead


if __name__ == "__main__":
    found = dead_links(sys.argv[1])
    for page, link in found:
        print(f"{page}: {link} leads nowhere", file=sys.stderr)
    sys.exit(bool(found))
