"""`make docs`: builds the site beside the one that is there, and puts it in its place when all is well."""

import shutil
import sys
import tempfile
from pathlib import Path

from sphinx.cmd.build import build_main

from deploy.docs_site import source
from deploy.local import homes

_CONFIGURATION = Path(__file__).parent


def main(home: Path) -> int:
    """Builds the site into `docs` of a WORDWATCH_HOME.

    Returns:
        The exit code: not 0 when a page is wrong. Each fault is printed, and the site that was there before stays.
    """
    try:
        homes.claim(home)
        (home / "run").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="docs-", dir=home / "run") as work:
            code = build(Path(work))
            if code:
                print("the documentation has faults, so no site was made; see above", file=sys.stderr)
                return code
            site = home / "docs"
            if site.exists():
                site.rename(Path(work) / "before")
            (Path(work) / "site").rename(site)
    except (source.NavigationError, homes.HomeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"the documentation is at {(site / 'index.html').as_uri()}")
    return 0


def build(work: Path) -> int:
    """Builds `work/site` of the pages as they are now; every warning is an error.

    Raises:
        NavigationError: a page stands in no part of the site, or in two.
    """
    source.write(work / "source")
    strict = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    places = [*("-c", str(_CONFIGURATION)), *("-d", str(work / "doctrees")), str(work / "source"), str(work / "site")]
    code = build_main([*strict, "-b", "html", *places])
    shutil.rmtree(work / "doctrees", ignore_errors=True)
    return code
