"""A tqdm bar for the engine's events."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = bool | Callable[..., object]


@contextmanager
def watching(progress: Progress, what: str) -> Iterator[Callable[..., object] | None]:
    """What to hand to the engine for ``progress=``: nothing, the caller's function, or a bar's.

    A function is called in the calling thread as ``("started", bounds)``, ``("finished", index)``
    or ``("searched", index, cases, open, gap)``.
    """
    if not isinstance(progress, bool):
        yield progress
        return
    bar: Any = _bar(what) if progress else None
    if bar is None:
        yield None
        return

    def update(event: str, *details: Any) -> None:
        if event == "started":
            bar.total = (bar.total or 0) + details[0]
            bar.refresh()
        elif event == "finished":
            bar.update(1)
        elif event == "searched":
            _, cases, still_open, gap = details
            bar.set_postfix_str(f"{cases} cases, {still_open} open, gap {100 * gap:.4f} %")

    with bar:
        yield update


def _bar(what: str) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        warnings.warn("progress=True shows a bar where tqdm is installed", stacklevel=5)
        return None
    return tqdm(total=0, desc=what, leave=False)
