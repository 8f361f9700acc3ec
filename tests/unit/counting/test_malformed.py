"""Broken bytes are read as browsers read them: so many U+FFFD, and what follows is not lost.

Taken down from Chromium 156, whose TextDecoder agreed about all single and double bytes and 30,000 random sequences of
each multi-byte encoding; where it does not follow the Encoding Standard, the standard's algorithm decides.
"""

import pytest

from services.fetcher.counting.encodings import decode_as

BROKEN = [
    # UTF-8: one U+FFFD for each longest part of a character ("maximal subpart")
    ("utf-8", "e282", "\ufffd"),
    ("utf-8", "e2823c", "\ufffd<"),
    ("utf-8", "f09f98", "\ufffd"),
    ("utf-8", "f09f9841", "\ufffdA"),
    ("utf-8", "c080", "\ufffd\ufffd"),
    ("utf-8", "eda080", "\ufffd\ufffd\ufffd"),
    ("utf-8", "f4908080", "\ufffd\ufffd\ufffd\ufffd"),
    ("utf-8", "e0809f", "\ufffd\ufffd\ufffd"),
    ("utf-8", "fe41ff", "\ufffdA\ufffd"),
    # UTF-16: an odd byte at the end, surrogates by themselves
    ("utf-16le", "410041", "A\ufffd"),
    ("utf-16le", "00d84100", "\ufffdA"),
    ("utf-16le", "00dc4100", "\ufffdA"),
    ("utf-16le", "00d8", "\ufffd"),
    ("utf-16le", "00d841", "\ufffd"),
    ("utf-16be", "d83dde00d83d", "😀\ufffd"),
    # Shift_JIS
    ("shift_jis", "81", "\ufffd"),
    ("shift_jis", "813c", "\ufffd<"),
    ("shift_jis", "8180a0", "÷\ufffd"),
    ("shift_jis", "fcfc41", "\ufffdA"),
    ("shift_jis", "80a0fdfeff", "\x80\ufffd\ufffd\ufffd\ufffd"),
    # EUC-JP, two bytes and three
    ("euc-jp", "a4", "\ufffd"),
    ("euc-jp", "a43c", "\ufffd<"),
    ("euc-jp", "8180", "\ufffd\ufffd"),
    ("euc-jp", "8fb0", "\ufffd"),
    ("euc-jp", "8fb03c", "\ufffd<"),
    ("euc-jp", "8fa1a141", "\ufffdA"),
    ("euc-jp", "8e80", "\ufffd"),
    ("euc-jp", "8ee141", "\ufffdA"),
    ("euc-jp", "8eb1", "ｱ"),
    ("euc-jp", "8fa2b7", "～"),
    ("euc-jp", "8fb0a1", "丂"),
    # GB 18030, two bytes and four
    ("gb18030", "80", "€"),
    ("gbk", "8041", "€A"),
    ("gb18030", "ff41", "\ufffdA"),
    ("gb18030", "b0", "\ufffd"),
    ("gb18030", "b03c", "\ufffd<"),
    ("gb18030", "b07f", "\ufffd\x7f"),
    ("gb18030", "8130", "\ufffd"),
    ("gb18030", "813081", "\ufffd"),
    ("gb18030", "81303c", "\ufffd0<"),
    ("gb18030", "8130813c", "\ufffd0\ufffd<"),
    ("gb18030", "8431a530", "\ufffd"),
    ("gb18030", "9439fc36", "😀"),
    # Big5: what Python's codec lacks or takes for another
    ("big5", "a4", "\ufffd"),
    ("big5", "a43c", "\ufffd<"),
    ("big5", "80ff", "\ufffd\ufffd"),
    ("big5", "877a87df", "㡵鿋"),
    ("big5", "a3c0a3e0a3e1", "␀␡€"),
    ("big5", "a241c6cfc6de", "∕廴〃"),
    ("big5", "8862886488a388a5", "Ê̄Ê̌ê̄ê̌"),
    # EUC-KR
    ("euc-kr", "b0", "\ufffd"),
    ("euc-kr", "b03c", "\ufffd<"),
    ("euc-kr", "80ff", "\ufffd\ufffd"),
    ("euc-kr", "c9a1", "\ufffd"),
    # ISO-2022-JP: escapes
    ("iso-2022-jp", "1b2442467c4b5c1b2842", "日本"),
    ("iso-2022-jp", "1b2442467c4b", "日\ufffd"),
    ("iso-2022-jp", "1b2442467c4b1b284241", "日\ufffdA"),
    ("iso-2022-jp", "1b284a5c7e1b28495c", "¥‾ﾜ"),
    ("iso-2022-jp", "1b244041", "\ufffd"),
    ("iso-2022-jp", "1b24421b284241", "\ufffdA"),
    ("iso-2022-jp", "1b41", "\ufffdA"),
    ("iso-2022-jp", "1b2441", "\ufffd$A"),
    ("iso-2022-jp", "410e80", "A\ufffd\ufffd"),
    ("iso-2022-jp", "1b2442467c0a467c", "日\ufffd日"),
]


@pytest.mark.parametrize(("encoding", "sent", "read"), BROKEN)
def test_broken_bytes_are_read_as_browsers_read_them(encoding: str, sent: str, read: str) -> None:
    assert decode_as(bytes.fromhex(sent), encoding) == read


@pytest.mark.parametrize("before", [0, 1, 4_095, 4_096, 4_097, 9_000])
def test_rare_pairs_of_big5_are_read_wherever_they_stand(before: int) -> None:
    assert decode_as(b"\xa4\x40" * before + b"\xa2\x41\xc6\xcf", "big5") == "一" * before + "∕廴"
