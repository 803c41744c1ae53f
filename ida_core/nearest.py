"""The nearest valid name to one that is not: what every "did you mean" in Ida says."""

import difflib
from collections.abc import Iterable


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Return the valid name most like ``name``, or None where none is alike.

    >>> nearest("gird", ["grid", "market_maker"])
    'grid'
    """
    by_fold = {_fold(word): word for word in sorted(valid)}
    folded = _fold(name)
    close = difflib.get_close_matches(folded, by_fold, 1, 0.6)
    close += [word for word in by_fold if len(folded) > 1 and word.startswith(folded)]
    return by_fold[close[0]] if close else None


def _fold(name: str) -> str:
    return name.lower().replace("-", "_")


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?``, or the valid names where none is near.

    >>> suggestion("gird", ["grid"])
    "; did you mean 'grid'?"
    >>> suggestion("zzz", ["b", "a"])
    "; valid: 'a', 'b'"
    """
    words = sorted(valid)
    close = nearest(name, words)
    if close is not None:
        return f"; did you mean {close!r}?"
    return f"; valid: {', '.join(map(repr, words))}" if words else "; there is none"
