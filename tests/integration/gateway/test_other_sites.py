"""What a page of another site gets out of a browser that reaches the gateway."""

from tests.integration.gateway.raw import ask, request
from tests.integration.gateway.stack import CHECKS, Stack

VERSION = "/api/v1/version"
ANOTHER = "http://evil.example"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
PARTS = b'--x\r\nContent-Disposition: form-data; name="address"\r\n\r\nexample.org\r\n--x--\r\n'
JSON = "application/json"
JSON_BODY = b'{"url": "example.org"}'


def _browser(method: str, target: str, body: bytes = b"", /, *, mode: str, dest: str, **headers: str) -> bytes:
    """What a current browser sends for a page of another site, with the cookies it may have."""
    told = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest, "Cookie": "a=b"}
    return request(method, target, body, Referer=f"{ANOTHER}/", **told, **headers)


PATHS = ("/", CHECKS, VERSION, "/api/v1/stats", "/docs", "/static/x/live.js", "/nothing")


class TestAnotherSite:
    """What a page of evil.example can make a browser send (Fetch: simple requests, navigations, embedded things)."""

    async def test_posts_nothing(self, door: Stack) -> None:
        cancel = f"{CHECKS}/{'0' * 8}-0000-7000-8000-{'0' * 12}/cancel"
        bodies = ((FORM, b"address=example.org"), (MULTIPART, PARTS), ("text/plain", JSON_BODY), (JSON, JSON_BODY))
        for path in ("/", "/tasks", CHECKS, cancel):
            for kind, body in bodies:
                given = {"Origin": ANOTHER, "Content_Type": kind}
                for sent in (
                    _browser("POST", path, body, mode="navigate", dest="document", **given),  # a form
                    _browser("POST", path, body, mode="no-cors", dest="empty", **given),  # fetch, sendBeacon
                    request("POST", path, body, **given),  # a browser without Fetch Metadata
                    request("POST", path, body, **(given | {"Origin": "null"})),  # in a sandboxed frame
                    # Host is localhost:80 here, so this is a neighbour on the same machine
                    request("POST", path, body, **(given | {"Origin": f"http://localhost:{door.port}"})),
                ):
                    answer = await ask(door.port, sent)
                    assert (answer.status, answer.code) == (403, "cross_site_request"), sent
        assert await door.ask("SELECT count(*) FROM checks") == 0

    async def test_embeds_and_reads_nothing(self, door: Stack) -> None:
        embedded = ("image", "script", "style", "empty", "audio", "font", "worker")
        frames = ("iframe", "frame", "object", "embed")
        ways = [("no-cors", dest) for dest in embedded] + [("navigate", dest) for dest in frames]
        for mode, dest in (*ways, ("cors", "empty"), ("cors", "script")):
            origin = {"Origin": ANOTHER} if mode == "cors" else {}
            for path in PATHS:
                answer = await ask(door.port, _browser("GET", path, mode=mode, dest=dest, **origin))
                assert answer.headers["cross-origin-resource-policy"] == "same-origin"
                assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert not [name for name in answer.headers if name.startswith("access-control-")]

    async def test_asks_in_vain_whether_it_may(self, door: Stack) -> None:
        asked = {"Origin": ANOTHER, "Access_Control_Request_Method": "DELETE"}
        for more in ({}, {"Access_Control_Request_Private_Network": "true"}):
            for sent in (
                _browser("OPTIONS", CHECKS, mode="cors", dest="empty", **asked, **more),
                request("OPTIONS", CHECKS, **asked, **more),
            ):
                answer = await ask(door.port, sent)
                assert answer.code == "method_not_allowed"
                assert not [name for name in answer.headers if name.startswith("access-control-")]

    async def test_may_have_a_link_to_us(self, door: Stack) -> None:
        answer = await ask(door.port, _browser("GET", "/", mode="navigate", dest="document"))
        assert answer.status == 200
        assert (
            answer.headers["cross-origin-opener-policy"] == "same-origin"
        )  # the two windows know nothing of each other
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]

    async def test_that_gave_its_name_our_address_sees_nothing(self, door: Stack) -> None:
        """DNS rebinding: for the browser it is all one site, and only Host tells."""
        name = f"evil.example:{door.port}"
        told = {"Origin": f"http://{name}", "Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"}
        for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
            for path in PATHS:
                answer = await ask(door.port, request(method, path, Host=name, **told))
                assert answer.status == 421
                assert method == "HEAD" or answer.code == "unknown_host"
