"""Sphinx's configuration, read by it alone: its settings are the names of this module."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from shared.version import VERSION

_ICON = str(Path(__file__).resolve().parents[2] / "services" / "gateway" / "static" / "icon.svg")

project = "wordwatch"
version = release = VERSION
extensions = ["myst_parser"]
root_doc = "index"
highlight_language = "none"  # a block that names no language is a picture, or what somebody types
smartquotes = False  # what is counted, and what is typed, depends on which quote it is
suppress_warnings = ["misc.highlighting_failure"]  # the "…" in an answer is no JSON

myst_heading_anchors = 4  # named as a code host names them, so that a link to a heading holds at both
myst_enable_extensions = ["strikethrough"]

html_theme = "furo"
html_title = "wordwatch"
html_favicon = html_logo = _ICON
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_use_index = False
html_domain_indices = False
html_theme_options = {
    "sidebar_hide_name": False,
    # The colours of the gateway's own pages (services/gateway/static/style.css).
    "light_css_variables": {
        "color-brand-primary": "#1d2433",
        "color-brand-content": "#1f4fb5",
        "color-background-primary": "#fbfaf7",
        "color-background-secondary": "#f3f0e8",
        "color-code-background": "#f3f0e8",
        "color-foreground-primary": "#1d2433",
        "color-foreground-muted": "#5b6475",
        "color-background-border": "#e3e0d8",
    },
    "dark_css_variables": {
        "color-brand-primary": "#e9c03c",
        "color-brand-content": "#9dbcff",
        "color-background-primary": "#14171d",
        "color-background-secondary": "#1b1f27",
        "color-code-background": "#1b1f27",
        "color-foreground-primary": "#e9e7e1",
        "color-background-border": "#313743",
        "color-sidebar-link-text--top-level": "#a3a9b5",
    },
}


def _open_to_all(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: Any) -> None:
    """Mends what would keep people out: headings of no level (WAI-ARIA 1.2, 5.3.3), and what only mice scroll."""
    tree, body = context.get("furo_navigation_tree", ""), context.get("body", "")
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')
    for scrolls in ("<pre", '<div class="table-wrapper'):
        body = body.replace(scrolls, f'{scrolls[:4]} tabindex="0"{scrolls[4:]}')
    context["body"] = body


def setup(app: Sphinx) -> None:
    """What Sphinx calls when it has read this."""
    app.connect("html-page-context", _open_to_all, priority=900)  # after the theme
