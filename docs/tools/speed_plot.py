"""Draw the figures of the page about speed from the table that ``python -m benchmarks`` prints."""

from __future__ import annotations

#: Colours of the text, for a light and a dark page; those of the points suit both.
INK = {"light": "#222832", "dark": "#ced6dd"}
REACHED, MISSED = "#2a9d8f", "#e76f51"


def rows(table):
    """Return claim, measured value and target of each row of a reST table.

    Examples
    --------
    >>> rows("====== ========\\ntime     0.5      1       yes\\n")
    [('time', 0.5, 1.0)]
    """
    cells = [line.rsplit(maxsplit=3) for line in table.splitlines()]
    return [
        (cell[0], float(cell[1]), float(cell[2]))
        for cell in cells
        if cell[3:] in (["yes"], ["**no**"])
    ]


def draw(table, folder):
    """Draw how far each claim is from its target, once for light pages and once for dark ones."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    folder.mkdir(exist_ok=True)
    # What must be 0 is on the line where it is.
    claims = [
        (c, value / most if most else 1 + value) for c, value, most in rows(table.read_text())
    ]
    claims = sorted(((c, max(share, 0.01)) for c, share in claims), key=lambda one: -one[1])
    for scheme, ink in INK.items():
        style = dict.fromkeys(("text.color", "xtick.color", "ytick.color", "axes.edgecolor"), ink)
        with plt.rc_context({**style, "axes.labelcolor": ink, "svg.hashsalt": "speed"}):
            figure, ax = plt.subplots(figsize=(7, 0.34 * len(claims) + 0.8))
            for y, (claim, share) in enumerate(claims):
                ax.text(0.01, y + 0.28, claim, fontsize=7, transform=ax.get_yaxis_transform())
                colour = REACHED if share <= 1 else MISSED
                ax.plot([1, share], [y, y], color=colour, linewidth=2)
                ax.plot(share, y, "o", color=colour)
            ax.axvline(1, color=ink, linewidth=0.8)
            ax.set_xscale("log")
            ax.set_xlabel("measured over the target (left of the line: reached)")
            ax.set_yticks([])
            ax.set_ylim(-1, len(claims))
            ax.spines[["top", "right", "left"]].set_visible(False)
            figure.tight_layout()
            figure.savefig(
                folder / f"speed_{scheme}.svg", transparent=True, metadata={"Date": None}
            )
            plt.close(figure)
