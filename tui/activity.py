"""What went on lately, second by second: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SECONDS: Final = 120  # that a window looks back
_LATELY: Final = 3  # seconds over which a rate is taken


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted in each of the last seconds, oldest first; `end` is the second of the last value."""

    values: tuple[float, ...] = ()
    end: int = 0

    def added(self, second: int, amount: float) -> Window:
        """With so much more in that second; what is older than the window is let go."""
        if not self.values:
            return Window((amount,), second)
        ahead = second - self.end
        if ahead > 0:
            values = (*self.values, *(0.0,) * min(ahead - 1, SECONDS), amount)[-SECONDS:]
            return Window(values, second)
        place = len(self.values) - 1 + ahead
        if place < 0:
            return self
        return Window(
            (*self.values[:place], self.values[place] + amount, *self.values[place + 1 :]), self.end
        )

    def until(self, second: int) -> Window:
        """Up to that second, in which nothing was counted yet."""
        return self.added(second, 0.0) if self.values and second > self.end else self

    @property
    def rate(self) -> float:
        """A second, lately; the running second is not over, and counts only if it is alone."""
        complete = self.values[-1 - _LATELY : -1] or self.values
        return sum(complete) / len(complete) if complete else 0.0


@dataclass(frozen=True, slots=True)
class Activity:
    """What went on in a repository: changes, and bytes hashed."""

    changes: Window = Window()
    hashed: Window = Window()
