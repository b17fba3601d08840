"""A value made in a thread, ahead of when it is needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Ahead"]

_T = TypeVar("_T")


class Ahead(Generic[_T]):
    """What ``make`` gives, begun at once. The process does not end before it is through: no library is cut off in its work."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._made: _T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(make,), name="ahead")
        self._thread.start()

    def _run(self, make: Callable[[], _T]) -> None:
        try:
            self._made = make()
        except BaseException as exc:  # noqa: BLE001  it is raised where the value is asked for
            self._error = exc

    def result(self) -> _T:
        """The value, waited for. Raises what ``make`` raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return cast("_T", self._made)
