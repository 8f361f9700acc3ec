"""The certificates of the lab, made anew at each start: an authority of its own, and each way of not being trusted."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from deploy.lab.doors import ADDRESS, NAME, Door


@dataclass(frozen=True, slots=True)
class Certificates:
    """What the doors that speak TLS show.

    Attributes:
        contexts: by door.
        authority: the lab's authority as PEM; its key is never written down.
    """

    contexts: dict[Door, ssl.SSLContext]
    authority: bytes

    @classmethod
    def make(cls, now: datetime | None = None) -> Certificates:
        """Make an authority and what it signs; `now` is the present."""
        yesterday = (now or datetime.now(UTC)) - timedelta(days=1)
        ours, unknown, alone = trustme.CA(organization_name="wordwatch lab"), trustme.CA(), trustme.CA()
        contexts = {
            Door.TLS: _context(ours.issue_cert(NAME, ADDRESS)),
            Door.UNKNOWN_AUTHORITY: _context(unknown.issue_cert(NAME, ADDRESS)),
            Door.SELF_SIGNED: _self_signed(alone),
            Door.EXPIRED: _context(
                ours.issue_cert(ADDRESS, not_before=yesterday - timedelta(days=90), not_after=yesterday)
            ),
            Door.OTHER_NAME: _context(ours.issue_cert("other.example")),
        }
        return cls(contexts, ours.cert_pem.bytes())


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def _self_signed(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.cert_pem.tempfile() as certificate, authority.private_key_pem.tempfile() as key:
        context.load_cert_chain(certificate, key)
    return context


def bundle(authority: bytes) -> bytes:
    """The system's file of authorities with one more.

    OpenSSL takes such a file instead of its own where SSL_CERT_FILE names one (SSL_CTX_set_default_verify_paths(3)).
    """
    own = ssl.get_default_verify_paths().cafile
    return (Path(own).read_bytes() + b"\n" if own else b"") + authority
