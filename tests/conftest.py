"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# How long an example takes says more of the machine than of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

LONGEST_NAME = 60


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names a long value, and bytes that are no text, by their place alone.

    Test processes that run side by side have to agree on the names of all tests, and what is compressed with gzip holds
    the time.
    """
    if isinstance(val, bytes) and not val.isascii():
        return argname
    return argname if isinstance(val, bytes | str) and len(val) > LONGEST_NAME else None
