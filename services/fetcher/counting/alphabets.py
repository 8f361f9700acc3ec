"""What text looks like in the languages of pages that don't name their encoding: their letters, the usual first.

Written from what these languages are like; only the rough order matters. The first language of the first encoding wins
where several fit alike, so that Western comes before Central European.
"""

from __future__ import annotations

from typing import Final

_WESTERN: Final = (
    "éèàêçôùîâûœïëæÿ",  # French
    "üäößé",  # German
    "óáíéñúü¿¡",  # Spanish
    "ãçáéíóõêâàúô",  # Portuguese
    "àèùòìé",  # Italian
    "äåöøæéü",  # Swedish, Danish, Norwegian, Finnish
    "áíðþéöæóúý",  # Icelandic
    "éëïèöüê",  # Dutch
    "óàéèíòçúïü·",  # Catalan
)
_CENTRAL: Final = (
    "łąężśóćńź",  # Polish
    "íáéěřžýčšůúťňďó",  # Czech
    "áéíčýžúšľťôňďäó",  # Slovak
    "áéőöíóüúű",  # Hungarian
    "čšžćđ",  # Croatian, Slovene
    "ăşţîâ",  # Romanian
)
_TURKISH: Final = ("ıüşğçöâîû",)
_BALTIC: Final = ("ėšųįžčąūę", "āīēšūņļžčģķ")
_CYRILLIC: Final = (
    "оеаинтсрвлкмдпуяызьгбчйжхшюцэщфёъ",
    "аоитеснрвдлкпмугзябъчхцжйшщюфь",
    "оеаитрнјсвукдплмљзгбшцчжћђњџхф",
)
_UKRAINIAN: Final = ("оаиінтервлсдкумпязьбгчйхцїшжєющґф",)
_GREEK: Final = ("αοιτνεσςρκπμλυάόίηέγδήθχώύωφβξζψ",)
_HEBREW: Final = ("יוהלאתמבשרנםעחדקכפטזגצסןךףץ",)
_ARABIC: Final = ("الينمورتبهدسعفكقحجةشصطخىأزضذغثءئظإآؤ", "اینردهموتبسشکزلگخفقپحعچ")
_THAI: Final = ("านรกอเงมยลทวดตสพับหปคี่ไ้ิชขแโบจุึูถซธผฟณศษะำใภ์ญฝๆฉฐฏฎฑฒฌฬ็",)

ALPHABETS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("windows-1252", _WESTERN),
    ("windows-1251", (*_CYRILLIC, *_UKRAINIAN)),
    ("koi8-r", _CYRILLIC[:1]),
    ("koi8-u", _UKRAINIAN),
    ("windows-1250", _CENTRAL),
    ("iso-8859-2", _CENTRAL),
    ("windows-1254", _TURKISH),
    ("windows-1253", _GREEK),
    ("iso-8859-7", _GREEK),
    ("windows-1255", _HEBREW),
    ("windows-1256", _ARABIC),
    ("windows-874", _THAI),
    ("windows-1257", _BALTIC),
)

TYPOGRAPHY: Final = frozenset("“”„‘’‚«»‹›–—…•·°§©®™€£№×½²³ºª¿¡\u00a0\u00ad\u200c\u200d\u200e\u200f،؟؛")
"""Signs that stand in pages of every language."""

KANA: Final = frozenset(map(chr, (*range(0x3041, 0x3097), *range(0x30A1, 0x30FB), 0x30FC)))
HANGUL: Final = frozenset(map(chr, range(0xAC00, 0xD7A4)))
"""All syllables; the usual ones are those of KS X 1001."""
FULL_WIDTH: Final = frozenset("、。，．？！：；「」『』（）《》〈〉【】“”‘’…—·・～〜　０１２３４５６７８９％－")
"""Punctuation of East Asian text."""
