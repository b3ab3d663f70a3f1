"""Links to the documentation of other packages, made without fetching their inventories."""

from __future__ import annotations

from docutils import nodes

#: How the site of a package addresses the page of a name.
PAGES = {
    "dask": "https://docs.dask.org/en/stable/search.html?q={name}",
    "distributed": "https://distributed.dask.org/en/stable/search.html?q={name}",
    "sklearn": "https://scikit-learn.org/stable/modules/generated/{name}.html",
}


def links_of_other_sites(app, env, node, contnode):
    """Return a link for a reference to a name of another package; None for a name of ours.

    What Sphinx cannot resolve and this function does not know stays a warning of the build.
    """
    name = node.get("reftarget", "")
    page = PAGES.get(name.partition(".")[0])
    if page is None:
        return None
    return nodes.reference("", "", contnode, internal=False, refuri=page.format(name=name))
