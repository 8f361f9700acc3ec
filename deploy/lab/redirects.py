"""Chains of redirects, and pages that send their reader on by themselves."""

from __future__ import annotations

from typing import Final

from deploy.lab.doors import NAME, Door
from deploy.lab.hazard import ONE_PYTHON, Group, Hazard
from deploy.lab.visit import Visit
from deploy.lab.wire import answer, page, redirect

END: Final = "/redirect/end"
"""Where the chains that end well end."""
_STAYED: Final = {"stayed": 1, "python": 0}
_ELSEWHERE: Final = "/redirect/who-sees-the-cookie"


def _refresh(content: str) -> str:
    return f'<meta http-equiv="refresh" content="{content}">'


def _hops(visit: Visit) -> bytes:
    """`/redirect/hops?10` takes ten redirects until it is at its end."""
    number = visit.target.partition("?")[2]
    left = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 1
    return redirect(END if left <= 1 else f"/redirect/hops?{left - 1}")


def _cookie(visit: Visit) -> bytes:
    if "seen=yes" in visit.headers.get("cookie", ""):
        return answer(page())
    return redirect("/redirect/cookie", headers={"Set-Cookie": "seen=yes; Path=/redirect/; HttpOnly"})


def _cookie_elsewhere(visit: Visit) -> bytes:
    return redirect(
        visit.doors.url(Door.WEB, _ELSEWHERE, host=NAME), headers={"Set-Cookie": "secret=yes; Path=/; HttpOnly"}
    )


def _who_sees_the_cookie(visit: Visit) -> bytes:
    carried = "secret" in visit.headers.get("cookie", "")
    return answer(page("A cookie of another host." if carried else "No cookie of another host: python."))


def _to_unknown_authority(visit: Visit) -> bytes:
    return redirect(visit.doors.url(Door.UNKNOWN_AUTHORITY, "/"))


def _with_userinfo(visit: Visit) -> bytes:
    return redirect(visit.doors.url(Door.WEB, END).replace("://", "://me:secret@"))


REDIRECTS: Final = Group(
    "Redirects",
    (
        Hazard(END, "no redirect: where the others lead", ONE_PYTHON, route=answer(page())),
        Hazard("/redirect/one", "one redirect", ONE_PYTHON, route=redirect(END, 301)),
        Hazard("/redirect/hops?10", "ten redirects", ONE_PYTHON, route=_hops),
        Hazard("/redirect/hops?11", "eleven redirects", "too_many_redirects", status=302, route=_hops),
        Hazard("/redirect/self", "to itself", "redirect_loop", status=302, route=redirect("/redirect/self")),
        Hazard(
            "/redirect/there", "there and back again", "redirect_loop", status=302, route=redirect("/redirect/back")
        ),
        Hazard(
            "/redirect/back", "back and there again", "redirect_loop", status=302, route=redirect("/redirect/there")
        ),
        Hazard("/redirect/cookie", "to itself, for whoever does not have its cookie yet", ONE_PYTHON, route=_cookie),
        Hazard(
            "/redirect/cookie-elsewhere",
            "sets a cookie, and leads to a host that must not see it",
            ONE_PYTHON,
            route=_cookie_elsewhere,
        ),
        Hazard(_ELSEWHERE, "where the one before leads", ONE_PYTHON, host=NAME, route=_who_sees_the_cookie),
        Hazard(
            "/redirect/relative",
            "Location without scheme and host",
            ONE_PYTHON,
            route=redirect("../redirect/./end#part"),
        ),
        Hazard("/redirect/nowhere", "302 without Location", "http_error", status=302, route=answer("Nowhere", 302)),
        Hazard("/redirect/ftp", "to ftp://", "http_error", status=302, route=redirect("ftp://127.0.0.1/page")),
        Hazard(
            "/redirect/password", "to an address with a password in it", "http_error", status=302, route=_with_userinfo
        ),
        Hazard(
            "/redirect/private",
            "to a private address (10.0.0.1)",
            "forbidden_address",
            route=redirect("http://10.0.0.1/"),
        ),
        Hazard(
            "/redirect/cloud",
            "to a cloud's metadata (169.254.169.254)",
            "forbidden_address",
            route=redirect("http://169.254.169.254/latest/meta-data/"),
        ),
        Hazard(
            "/redirect/no-such-host",
            "to a host that there is not",
            "dns_not_found",
            route=redirect("http://nobody.invalid/"),
        ),
        Hazard(
            "/redirect/tls",
            "to https:// with a certificate that nobody trusts",
            "tls_failed",
            route=_to_unknown_authority,
        ),
    ),
)

REFRESHES: Final = Group(
    "Pages that lead on",
    (
        Hazard(
            "/refresh/meta",
            "meta refresh, at once",
            ONE_PYTHON,
            route=answer(page("stayed", more_head=_refresh(f"0; url={END}"))),
        ),
        Hazard(
            "/refresh/later",
            "meta refresh, after 5 s: the page is the page",
            _STAYED,
            route=answer(page("stayed", more_head=_refresh(f"5; url={END}"))),
        ),
        Hazard(
            "/refresh/noscript",
            "meta refresh in noscript: only for readers without scripts",
            _STAYED,
            route=answer(page("stayed", more_head=f"<noscript>{_refresh(f'0; url={END}')}</noscript>")),
        ),
        Hazard(
            "/refresh/self",
            "meta refresh to itself: the page is the page",
            _STAYED,
            route=answer(page("stayed", more_head=_refresh("0; url=/refresh/self"))),
        ),
        Hazard(
            "/refresh/there",
            "meta refresh there and back again",
            "redirect_loop",
            status=200,
            route=answer(page("stayed", more_head=_refresh("0; url=/refresh/back"))),
        ),
        Hazard(
            "/refresh/back",
            "meta refresh back and there again",
            "redirect_loop",
            status=200,
            route=answer(page("stayed", more_head=_refresh("0; url=/refresh/there"))),
        ),
        Hazard(
            "/refresh/header",
            "Refresh as a header, at once",
            ONE_PYTHON,
            route=answer(page("stayed"), headers={"Refresh": f"0; url={END}"}),
        ),
    ),
)
