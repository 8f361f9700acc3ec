import platform

from services.fetcher import freed_memory


def test_freed_memory_is_kept_where_the_c_library_can() -> None:
    assert freed_memory.keep() == (platform.libc_ver()[0] == "glibc")
