"""Each wall is known by its challenge, and each has ordinary pages beside it that must be counted."""

import time

import pytest
from multidict import CIMultiDict

from services.fetcher.fetching.bot_walls import MAX_WALL_BYTES, is_wall_head, is_wall_page

# ruff: noqa: E501 - markup as it comes
TEXT = "<p>" + "python " * 400


@pytest.mark.parametrize(
    ("headers", "wall"),
    [
        ({"cf-mitigated": "challenge"}, True),
        ({"CF-Mitigated": " Challenge"}, True),
        ({"x-amzn-waf-action": "captcha"}, True),
        ({"x-amzn-waf-action": "challenge"}, True),
        ({"X-Vercel-Mitigated": "challenge"}, True),
        ({"X-Vercel-Mitigated": "deny"}, True),
        ({"X-DD-B": "1"}, True),
        ({"x-dd-b": "3"}, True),
        ({"SG-Captcha": "challenge"}, True),
        ({}, False),
        ({"cf-mitigated": ""}, False),
        ({"x-dd-b": ""}, False),
        # whose pages pass through a wall, and were let through
        ({"Server": "cloudflare", "CF-Ray": "1", "cf-cache-status": "DYNAMIC", "Set-Cookie": "__cf_bm=x"}, False),
        ({"x-amzn-requestid": "1", "Set-Cookie": "aws-waf-token=x", "x-amz-cf-id": "1"}, False),
        ({"Server": "Vercel", "x-vercel-id": "fra1::1", "x-vercel-cache": "HIT"}, False),
        ({"X-DataDome": "protected", "x-datadome-cid": "1", "Server": "DataDome", "Set-Cookie": "datadome=x"}, False),
        ({"X-CDN": "Imperva", "X-Iinfo": "1-2-3 NNNN", "Set-Cookie": "visid_incap_1=x"}, False),
        ({"Server": "Sucuri/Cloudproxy", "X-Sucuri-ID": "1", "X-Sucuri-Cache": "HIT"}, False),
        ({"Server": "AkamaiGHost", "Akamai-GRN": "0.1", "Set-Cookie": "_abck=x"}, False),
        ({"Server": "ddos-guard", "Set-Cookie": "__ddg1_=x"}, False),
        ({"x-kpsdk-ct": "1", "Set-Cookie": "_pxhd=x"}, False),
    ],
)
def test_walls_by_their_headers(headers: dict[str, str], wall: bool) -> None:
    assert is_wall_head(CIMultiDict(headers)) is wall


CHALLENGES = {
    "Cloudflare": "<title>Just a moment...</title><script>(function(){window._cf_chl_opt = {cvId: '3'};}())</script>",
    "Anubis": '<script id="anubis_challenge" type="application/json">{"rules":{"algorithm":"metarefresh"}}</script>',
    "AWS WAF": '<script type="text/javascript">window.awsWafCookieDomainList = [];window.gokuProps = {"key":"a"};</script>',
    "Sucuri": "<title>You are being redirected...</title><script>var s={},sucuri_cloudproxy_js='',S='YT0n';</script>",
    "DDoS-Guard": '<title>DDoS-Guard</title><script data-x="1" src="/.well-known/ddos-guard/js-challenge/index.js"></script>',
    "DDoS-Guard's captcha": '<script src="/.well-known/ddos-guard/ddg-captcha-page/index.js"></script>',
    "DataDome": "<p id=cmsg>Please enable JS and disable any ad blocker</p><script>var dd={'rt':'c','host':"
    "'geo.captcha-delivery.com'}</script><script src=\"https://ct.captcha-delivery.com/c.js\"></script>",
    "HUMAN": "<title>Access to this page has been denied</title><script>window._pxUuid='a';window._pxAppId='PX1';"
    "var pxCaptchaSrc='/1/captcha/captcha.js?a=c';</script>",
    "Imperva's incident": '<iframe id="main-iframe" src="/_Incapsula_Resource?CWUDNSAI=1&edet=12">Request unsuccessful. '
    "Incapsula incident ID: 1-2</iframe>",
    "Imperva's script": '<html><head><META NAME="robots" CONTENT="noindex"><script src="/_Incapsula_Resource?SWJIYLWA=1">'
    "</script></head><body></body></html>",
    "Kasada": '<script>window.KPSDK={};KPSDK.now=1</script><script src="/149e9513/2d206a39/ips.js?x-kpsdk-im=a"></script>',
    "Reblaze": ";;<script>;;window.rbzns={bereshit: '1', seed: 'x'};winsocks();</script>",
    "Akamai's challenge": '<div id="sec-if-cpt-container"><div class="behavioral-content">Powered and protected by</div></div>',
    "Akamai's refusal": "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\n You don't have "
    'permission to access "http&#58;&#47;&#47;a" on this server.<P>\nReference&#32;&#35;18&#46;4a2c1602\n</BODY>',
    "Google": '<form id="captcha-form" action="index" method="post"></form>Our systems have detected unusual traffic from '
    "your computer network.",
    "SiteGround": '<html><head><meta http-equiv="refresh" content="0;/.well-known/sgcaptcha/?r=%2F&y=ipc:1"></head></html>',
    "Reddit": '<form hidden method="GET"><input type="hidden" name="solution" /><input type="hidden" name="js_challenge" '
    'value="1" /></form>',
}


@pytest.mark.parametrize("page", CHALLENGES.values(), ids=CHALLENGES)
def test_challenges(page: str) -> None:
    assert is_wall_page(f"<!doctype html>{page}".encode())


@pytest.mark.parametrize("page", CHALLENGES.values(), ids=CHALLENGES)
def test_pages_about_them_are_pages(page: str) -> None:
    shown = page.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    assert not is_wall_page(f"<h1>How it works</h1><pre><code>{shown}</code></pre>{TEXT}".encode())


@pytest.mark.parametrize("page", CHALLENGES.values(), ids=CHALLENGES)
def test_large_pages_are_pages(page: str) -> None:
    assert not is_wall_page(f"{page}{'python ' * (MAX_WALL_BYTES // 7)}".encode())


ORDINARY = {
    "Cloudflare's detections": "<script>(function(){window.__CF$cv$params={r:'1'};var a=document.createElement('script');"
    "a.src='/cdn-cgi/challenge-platform/scripts/jsd/main.js'})();</script>",
    "Turnstile": '<script src="https://challenges.cloudflare.com/turnstile/v0/api.js"></script><div class="cf-turnstile"></div>',
    "code about Cloudflare": "<h1>Just a moment...</h1><code>window._cf_chl_opt = {}</code> is what <b>Cloudflare</b> sets.",
    "a script before the words": "<script>x()</script><code>window._cf_chl_opt, window.gokuProps, sucuri_cloudproxy_js</code>",
    "reCAPTCHA": '<script src="https://www.google.com/recaptcha/api.js"></script><div class="g-recaptcha"></div>',
    "hCaptcha": '<script src="https://js.hcaptcha.com/1/api.js"></script><div class="h-captcha"></div>',
    "AWS WAF's SDK": '<script src="https://a.token.awswaf.com/a/challenge.js"></script><script>AwsWafIntegration.getToken()</script>',
    "DDoS-Guard's check": '<script src="https://check.ddos-guard.net/check.js"></script>',
    "DataDome's tag": "<script>window.ddjskey='1';</script><script src=\"https://js.datadome.co/tags.js\"></script>",
    "HUMAN's sensor": "<script>window._pxAppId='PX1';s.src='/1/init.js'</script>",
    "HUMAN's widget": "<div id=\"px-captcha\"></div><script>window._pxAppId='PX1'</script>",
    "Imperva's script, and one that writes the page": "<link rel=stylesheet href=a.css><div id=root></div>"
    '<script src="/_Incapsula_Resource?SWJIYLWA=1"></script><script src="/app.js"></script>',
    "Imperva's script": '<h1>Welcome</h1><script src="/_Incapsula_Resource?SWJIYLWA=1&ns=2&cb=3"></script>',
    "Kasada's script": '<script>window.KPSDK={}</script><script src="/149e9513/2d206a39/p.js"></script>',
    "Akamai's sensor": '<script src="/akam/13/1"></script><noscript><img src="/akam/13/pixel_1"></noscript>',
    "access denied": "<title>Access Denied</title><h1>Access Denied</h1> was the error of the year. Reference #18.",
    "unusual traffic": "<p>Google says: our systems have detected unusual traffic from your computer network.",
    "Anubis": "<p>Making sure you're not a bot! is what anubis_challenge says",
    "a form": '<form id="captcha-form"><input name="solution"></form>',
    "nothing": "",
}


@pytest.mark.parametrize("page", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_pages(page: str) -> None:
    assert not is_wall_page(page.encode())
    assert not is_wall_page(f"{page}{TEXT}".encode())


@pytest.mark.parametrize(
    "piece", ["<", "<script", "<script>", "</script", "<meta ", "<style", "a", "window._cf_chl_opt"]
)
def test_nothing_takes_long(piece: str) -> None:
    body = (piece * MAX_WALL_BYTES).encode()[:MAX_WALL_BYTES]
    began_s = time.process_time()
    is_wall_page(body)
    is_wall_page(body[:2000])
    assert time.process_time() - began_s < 0.25
