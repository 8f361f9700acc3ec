"""The table of hazards for people: as text for a terminal, and as the page at `/`."""

from __future__ import annotations

import html
from typing import Final

from deploy.lab.doors import Doors
from deploy.lab.hazard import Group
from deploy.lab.hazards import GROUPS, HAZARDS
from deploy.local.demo import table

_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem }
:root { color-scheme: light dark }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0 }
tr { border-bottom: 1px solid color-mix(in srgb, currentcolor 18%, transparent) }
th[scope=rowgroup] { padding-top: 1.4rem }
code { overflow-wrap: anywhere }
td:first-child code { user-select: all; cursor: copy }
.hot code { background: #fd63 }
td:nth-child(3) { white-space: nowrap }
@media (max-width: 50rem) { td:nth-child(3) { white-space: normal } }
.hot::after { content: " copied" }
"""
# One click copies; where the browser does not let it, the click has at least selected the whole address.
_SCRIPT: Final = """
for (const code of document.querySelectorAll("td:first-child code")) code.onclick = async () => {
  for (const hot of document.querySelectorAll(".hot")) hot.classList.remove("hot");
  try { await navigator.clipboard.writeText(code.textContent); code.parentElement.classList.add("hot"); } catch {}
};
"""


def text(doors: Doors, *, trusted: bool, columns: int) -> str:
    """All hazards, with what a check of each should come to.

    Args:
        doors: where they are.
        trusted: whether the fetchers trust the lab's authority.
        columns: how many the terminal has.
    """
    rows: list[tuple[str, ...]] = [("address", "what it does", "expect", "tried again")]
    rows += [
        (each.url(doors), each.does, each.outcome(trusted=trusted), each.again(trusted=trusted)) for each in HAZARDS
    ]
    wide = table(rows)
    if columns < max(len(line) for line in wide.splitlines()):
        return _narrow(doors, trusted=trusted)
    head, rule, *lines = wide.splitlines()
    shown = [head, rule]
    for group in GROUPS:
        shown += ["", group.title]
        shown += [lines.pop(0) for _ in group.hazards]
    return "\n".join(shown)


def _narrow(doors: Doors, *, trusted: bool) -> str:
    """Two lines for each hazard, for a terminal that would break the rows of a table anywhere."""
    shown = []
    for group in GROUPS:
        shown += ["", group.title]
        for each in group.hazards:
            again = each.again(trusted=trusted)
            tried = {"yes": ", tried again", "once": ", tried once more"}.get(again, "")
            shown += [f"  {each.url(doors)}", f"      {each.does} -> {each.outcome(trusted=trusted)}{tried}"]
    return "\n".join(shown)


def page(doors: Doors, *, trusted: bool, gateway: str) -> bytes:
    """The same as a page; `gateway` is where to put the addresses in."""
    body = "".join(_rows(group, doors, trusted=trusted) for group in GROUPS)
    return f"""<!DOCTYPE html><html lang=en><meta charset=utf-8><title>wordwatch: the lab</title>
<meta name=viewport content="width=device-width"><style>{_STYLE}</style>
<h1>The lab</h1>
<p>Each address misbehaves in its own way. A click on one copies it; have it checked at
<a href="{html.escape(gateway)}/">{html.escape(gateway)}/</a>, and see whether what comes of it is what stands here.
What is tried again has failed for good after three attempts: some ten seconds later, or up to two minutes where the
server makes one wait. Two checks of a port run at once, so behind two that wait all others of that port stay queued.
Where counts are expected, the words to ask for stand before them.</p>
<table><thead><tr><th>Address<th>What it does<th>Expect<th>Tried again</thead>{body}</table>
<script>{_SCRIPT}</script>
""".encode()


def _rows(group: Group, doors: Doors, *, trusted: bool) -> str:
    rows = [f"<tbody><tr><th scope=rowgroup colspan=4>{html.escape(group.title)}"]
    for each in group.hazards:
        outcome = html.escape(each.outcome(trusted=trusted))
        rows.append(
            f"<tr><td><code>{html.escape(each.url(doors))}</code><td>{html.escape(each.does)}"
            f"<td><code>{outcome}</code><td>{each.again(trusted=trusted)}"
        )
    return "\n".join([*rows, "</tbody>"])
