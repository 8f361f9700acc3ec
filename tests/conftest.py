"""What holds for all tests."""

LONGEST_NAME = 60


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names a long value by its place alone.

    Test processes that run side by side have to agree on the names of all tests, and what is compressed with gzip holds
    the time.
    """
    return argname if isinstance(val, bytes | str) and len(val) > LONGEST_NAME else None
