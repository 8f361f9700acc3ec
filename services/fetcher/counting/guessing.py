"""The last resort for pages that say nothing of their encoding and are not UTF-8: what do the bytes look like?"""

from __future__ import annotations

import re
from typing import Final

from charset_normalizer import from_bytes

from services.fetcher.counting.encodings import encoding_of

FALLBACK: Final = "windows-1252"

_MIN_EVIDENCE_BYTES: Final = 8
"""Below that many bytes outside ASCII, any guess is as good as another, and Western is the most likely."""
_MAX_SAMPLE_BYTES: Final = 16_384
_TAG: Final = re.compile(rb"<[^<>]*>")
_ASCII: Final = bytes(range(128))

# Python codec → WHATWG label. Encodings that no browser offers are not guessed.
_CANDIDATES: Final = {
    "cp932": "shift_jis",
    "euc_jp": "euc-jp",
    "gb18030": "gb18030",
    "big5": "big5",
    "cp949": "euc-kr",
    "cp1251": "windows-1251",
    "koi8_r": "koi8-r",
    "cp1253": "windows-1253",
    "cp1255": "windows-1255",
    "cp1256": "windows-1256",
    "cp874": "windows-874",
    "cp1250": "windows-1250",
    "cp1252": "windows-1252",
}


def guess(body: bytes) -> str:
    """Guess an encoding, as a WHATWG name.

    Western pages look like Central European ones as well; where both fit, it is windows-1252.
    """
    sample = _TAG.sub(b" ", body[: 4 * _MAX_SAMPLE_BYTES])[:_MAX_SAMPLE_BYTES]
    # Not in the middle of a character: no encoding has a byte below 0x30 inside one.
    sample = sample[: max(sample.rfind(b" "), sample.rfind(b"\n")) + 1] or sample
    if len(sample.translate(None, _ASCII)) < _MIN_EVIDENCE_BYTES:
        return FALLBACK
    matches = list(from_bytes(sample, cp_isolation=list(_CANDIDATES)))
    if not matches:
        return FALLBACK
    best = matches[0]
    western = any("cp1252" in match.could_be_from_charset and match.chaos <= best.chaos for match in matches)
    if best.encoding == "cp1250" and western:
        return FALLBACK
    return encoding_of(_CANDIDATES.get(best.encoding, FALLBACK)) or FALLBACK
