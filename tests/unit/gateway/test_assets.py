import sys
from pathlib import Path

import pytest

from services.gateway import assets


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ([], False),
        ([""], False),
        (["gzip"], True),
        (["GZIP"], True),
        (["deflate, gzip;q=0.8"], True),
        (["deflate", "gzip"], True),
        (["*"], True),
        (["*;q=0.1"], True),
        (["identity"], False),
        (["gzip;q=0"], False),
        (["gzip; q=0.000, *"], False),
        (["*;q=0"], False),
        (["gzip;q=0.001"], True),
        (["x-gzip-like"], False),
    ],
)
def test_who_takes_gzip(accepted: list[str], *, takes: bool) -> None:
    assert assets.takes_gzip(accepted) is takes


def test_swagger_ui_is_found_without_running_its_package() -> None:
    found = assets.load()
    assert {*assets.SWAGGER_UI, "style.css", "docs.js"} <= found.keys()
    assert "drf_spectacular_sidecar" not in sys.modules


def test_a_change_of_a_file_is_a_change_of_its_path(tmp_path: Path) -> None:
    file = tmp_path / "a.css"
    file.write_text("a {}")
    (tmp_path / "a.css.map").write_text("not served")
    before = assets.read(sorted(tmp_path.iterdir()))
    file.write_text("b {}")
    after = assets.read([file])
    assert before.keys() == {"a.css"}
    assert before["a.css"].path != after["a.css"].path
