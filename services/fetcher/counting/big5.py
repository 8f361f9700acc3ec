"""Big5 as browsers read it: the standard's index has Hong Kong's characters of 2008, Python's codec those of 2004."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_HONG_KONG_2008: Final = (
    "877A㡵𡵓𣚞𦀡㻬 8E69箸 8E6F簆 8E7E糎 8EAB緒 8EB4縝 8ECD者 8ED0耨 8F57菁 8F69蒨 8F6E萏 "
    "8FCB覦覩 8FFE起 906D都 907A銹 90DC靜 90F1響 91BF鼖 9244蔃 92AF兙兛兝兞 92C8鍮 92D1瑹 9447浧 "
    "94CA禛 95D9邗 9644靝 96ED瀞 96FC嬨 9B76爁 9B78矗 9B7B纇 9BC6駖 9BDE釔 9BEC惞 9BF6澶 "
    "9C42輶 9C53侻 9C62營 9C68鄄 9C6B鷰 9C77菏 9CBC尐秣 9CD0婧 9D57輋 9D5A筑 9DC4拐 9EA9恢 "
    "9EEF痹 9EFD汊 9F60鬮 9F66鼗 9FCB僭 9FD8弌 A063蠏 A077拎 A0D5瑨 A0DF煢 A0E4牐 FA5F倩 "
    "FA66偽 FABD包 FAC5卄 FAD5卿 FB48嘅 FBB8婷 FBF3幵 FBF9廐 FC4F彘 FC6C悤 FCB9撐 FCE2晴 "
    "FCF1杞 FDB7沜渝 FDBB港 FDF1煮 FE52猪 FE6F瑜 FEAA瓩 FEDD砉 "
)
"""Pairs that Python's codec has nothing for: each a code, and what it and those after it stand for."""
_LONG_RUN: Final = (
    "𥣞㫵竼龗𤅡𨤍𣇪𠪊𣉞䌊蒄龖鐯䤰蘓墖靊鈘秐稲晠権袝瑌篅枂稬剏遆㓦珄𥶹"
    "瓆鿇垳䤯呌䄱𣚎堘穲𧭥讏䚮𦺈䆁𥶙箮𢒼鿈𢓁𢓉𢓌鿉蔄𣖻䂴鿊䓡𪷿拁灮鿋"
)
_CONTROL_PICTURES: Final = "".join(map(chr, (*range(0x2400, 0x2420), 0x2421)))


def _pairs() -> dict[bytes, str]:
    runs = [(int(run[:4], 16), run[4:]) for run in _HONG_KONG_2008.split()]
    runs += [(0x87A1, _LONG_RUN), (0xA3C0, _CONTROL_PICTURES)]
    return {(code + at).to_bytes(2, "big"): char for code, chars in runs for at, char in enumerate(chars)}


ABSENT: Final = _pairs()
"""What Python's codec has no character for, by its two bytes."""

_MISTAKEN: Final = dict(
    zip(
        map(bytes.fromhex, ("A241", "A242", "C6CF", "C6D3", "C6D5", "C6D7", "C6DE", "C6DF")),
        "\u2215\ufe68\u5ef4\u65e0\u7676\u96b6\u3003\u4edd",
        strict=True,
    )
)
"""What Python's codec takes for another character, by its two bytes. Rare: strokes, radicals, repetition marks."""
_MISTAKEN_PAIR: Final = rb"\xa2[\x41\x42]|\xc6[\xcf\xd3\xd5\xd7\xde\xdf]"
_MAYBE_MISTAKEN: Final = re.compile(_MISTAKEN_PAIR)
# Not possessive: before Python 3.11.5 such a group of alternatives matches what it must not. It remembers each turn, so
# that it has a bound.
_UP_TO_MISTAKEN: Final = re.compile(
    rb"(?:[\x00-\x80\xff]|(?!" + _MISTAKEN_PAIR + rb")[\x81-\xfe][\x00-\xff]?){1,4096}", re.DOTALL
)


def decode(body: bytes, decode_piece: Callable[[bytes], str]) -> str:
    """Decode Big5 with a decoder that is wrong about a few pairs.

    A pair is one only where a character begins: a lead byte and what follows it are passed over together. An ASCII
    byte after a broken lead is passed over, too, which does no harm as it is no lead itself.
    """
    if not _MAYBE_MISTAKEN.search(body):
        return decode_piece(body)
    pieces = []
    at = 0
    while at < len(body):
        if found := _UP_TO_MISTAKEN.match(body, at):
            pieces.append(decode_piece(found[0]))
            at = found.end()
        else:
            pieces.append(_MISTAKEN[body[at : at + 2]])
            at += 2
    return "".join(pieces)
