"""From the bytes of a page to counts: pure functions, without I/O. The rule is docs/counting.md."""

from services.fetcher.counting.kinds import Kind, UnsupportedType, kind_of
from services.fetcher.counting.page import PageCount, count_page
from shared.messages import Question, Snippet

__all__ = ["Kind", "PageCount", "Question", "Snippet", "UnsupportedType", "count_page", "kind_of"]
