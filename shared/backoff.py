"""How long to wait before the next try."""

import random


class Backoff:
    """Pauses that double from `first_s` up to `cap_s`, each cut by a random part of up to a half.

    The jitter keeps the processes of a fleet from knocking all at once at a server that has just come back.
    """

    def __init__(self, *, rng: random.Random, first_s: float = 0.1, cap_s: float = 5.0) -> None:
        self._rng = rng
        self._first_s = first_s
        self._cap_s = cap_s
        self._ceiling_s = first_s

    def next_s(self) -> float:
        """The next pause in seconds: between half of its ceiling and the ceiling, never over `cap_s`."""
        ceiling_s = min(self._ceiling_s, self._cap_s)
        self._ceiling_s = min(ceiling_s * 2, self._cap_s)
        return ceiling_s * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begins again with the shortest pause."""
        self._ceiling_s = self._first_s
