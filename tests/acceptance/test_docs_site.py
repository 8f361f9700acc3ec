"""The documentation as a site: built as `make docs` builds it, and looked at in a browser."""

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from deploy.docs_site import source
from services.gateway.openapi.operations import OPERATIONS
from shared import settings, topics
from shared.errors import ERRORS
from tests.acceptance.browsing import DESK, PHONE, chromium, look, visit
from tests.acceptance.examples import ROOT

pytestmark = pytest.mark.timeout(300)

PARTS = ["Start", "How to", "Reference", "Explanation"]
LOADING = {"src", "srcset", "poster", "data", "action", "formaction", "background"}
"""Attributes whose address a browser asks for by itself, or sends something to."""


def build(root: Path, home: Path, *before: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)}
    return subprocess.run(
        [*before, sys.executable, "-m", "deploy.docs_site"],
        cwd=root,
        env={**clean, "PYTHONPATH": str(root), "WORDWATCH_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def without_network() -> list[str]:
    """What to put before a command so that it has no network; nothing where that may not be taken away."""
    unshare = shutil.which("unshare")
    taken = unshare and subprocess.run([unshare, "--net", "true"], capture_output=True, check=False).returncode == 0
    return [unshare, "--net"] if unshare and taken else []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    built = build(ROOT, home, *without_network())
    assert built.returncode == 0, built.stdout + built.stderr
    assert (home / "docs" / "index.html").as_uri() in built.stdout
    return home / "docs"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_the_site_has_its_four_parts_with_every_page(site: Path) -> None:
    parts = source.parts()
    assert [part.title for part in parts] == PARTS
    captions = re.findall(
        r'<p class="caption"[^>]*><span class="caption-text">(.*?)</span>', text_of(site / "index.html")
    )
    assert captions == PARTS
    for place in source.pages().values():
        assert (site / place.with_suffix(".html")).exists(), place
    for part in parts:
        for page in part.pages:
            assert f'href="{page.with_suffix(".html")}"' in text_of(site / "index.html")


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("settings", [settings.variable(name) for name in settings.Settings.__dataclass_fields__]),
        ("errors", list(ERRORS)),
        ("messages", [topic.name for topic in topics.ALL]),
        ("openapi", [f"{each.method.upper()} {each.path}" for each in OPERATIONS]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_pages_made_of_the_code_have_all_that_is_in_it(site: Path, page: str, names: list[str]) -> None:
    text = text_of(site / f"{page}.html")
    assert names
    assert [name for name in names if name not in text] == []


class Loaded(HTMLParser):
    """The addresses that a page loads by itself; links that a person may click are none."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in LOADING or (tag, name) == ("link", "href")]


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    looked_at = 0
    for page in site.rglob("*.html"):
        loaded = Loaded()
        loaded.feed(text_of(page))
        assert loaded.addresses
        assert [address for address in loaded.addresses if urlsplit(address).netloc] == [], page
        looked_at += 1
    assert looked_at > len(source.pages())
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(\s*['\"]?|@import\s+['\"]?)(https?:)?//", text_of(style)), style


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project as far as the site is made of it, to be broken."""
    root = tmp_path / "project"
    for folder in ("docs", "deploy", "shared", "services/gateway/static"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in ("CHANGELOG.md", "bench/RESULTS.md"):
        (root / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, root / path)
    return root


def test_broken_links_fail_the_build_and_leave_the_site_that_is_there(copy: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    broken = ("nowhere.md", "api.md#nowhere", "#nowhere", "../README.md", "decisions/0000-never.md")
    (home / "docs").mkdir(parents=True)
    (home / "docs" / "index.html").write_text("before")
    (home / "wordwatch-home").touch()
    with (copy / "docs" / "lab.md").open("a") as page:
        page.write("\n".join(f"[{target}]({target})\n" for target in broken))

    failed = build(copy, home)

    assert failed.returncode != 0
    faults = [line for line in failed.stderr.splitlines() if "lab.md" in line]
    assert len(faults) == len(broken), failed.stderr
    assert text_of(home / "docs" / "index.html") == "before"
    assert list((home / "run").iterdir()) == []


def test_a_page_that_is_in_no_part_fails_the_build(copy: Path, tmp_path: Path) -> None:
    (copy / "docs" / "lonely.md").write_text("# Lonely\n")

    failed = build(copy, tmp_path / "home")

    assert failed.returncode != 0
    assert "docs/index.md" in failed.stderr
    assert "lonely.md" in failed.stderr


def test_links_of_the_readme_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", text_of(ROOT / "README.md"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing of it."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
async def test_pages_fit_and_can_be_read_by_day_and_by_night(
    address: str, tmp_path: Path, viewport: dict[str, int]
) -> None:
    async with chromium() as browser, visit(browser, address, viewport=viewport) as page:
        for name in ("index", "start", "settings", "openapi", "api", "architecture", "operations", "decisions/index"):
            await page.goto(f"/{name}.html")
            await look(page, tmp_path, name.replace("/", "-"), most_bytes=1_000_000)


async def test_the_search_finds_a_page(address: str) -> None:
    async with chromium() as browser, visit(browser, address) as page:
        await page.goto("/index.html")
        await page.get_by_placeholder("Search").fill("ruby")
        await page.keyboard.press("Enter")
        await expect(page.locator("ul.search li a").first).to_have_attribute("href", re.compile(r"counting\.html"))
