"""What a reader may ask of the embedded store, which runs in a process of ours.

The engine's `readonly = 1` refuses everything that changes data or settings. It lets
through what a server would forbid by rights that the embedded engine does not have:
files read by a function, results written to a file, queries of others ended.
"""

import re
from itertools import pairwise

from flows.domain.errors import StoreError

_TOKEN = re.compile(
    r"""
    (?P<skipped> --[^\n]* | \#[!\ ][^\n]* | /\*.*?\*/ | '(?:[^'\\]|\\.|'')*' | \s+ )
    | (?P<quoted> `(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*" )
    | (?P<word> [A-Za-z_][A-Za-z0-9_]* )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_NOT_ASCII = re.compile(r"[^ -~]")
_FIRST = frozenset(
    {"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "VALUES"}
)
_DESCRIBE = frozenset({"DESCRIBE", "DESC"})
_DOUBTFUL = frozenset("$'\"`\\")
"""Begin what this reading of a statement does not follow to its end."""
_FUNCTIONS = frozenset(
    {"PYTHON", "FUZZQUERY", "FUZZJSON"}
    | {"FILE", "FILESYSTEMAVAILABLE", "FILESYSTEMCAPACITY", "FILESYSTEMUNRESERVED"}
    | {"CATBOOSTEVALUATE", "GETSERVERSETTING", "GETSERVERPORT", "SLEEP", "SLEEPEACHROW"}
    | {"ADDRESSTOLINE", "ADDRESSTOLINEWITHINLINES", "ADDRESSTOSYMBOL"}
)


class NotAllowed(StoreError):  # noqa: N818 - named like the domain's errors
    """A statement that a reader may not run."""


def check_readable(sql: str) -> None:
    """Raise NotAllowed for a statement that is more than a question."""
    words = _words(sql)
    first = next((word for word in words if word != "("), "")
    if first not in _FIRST:
        msg = f"Expected one of {', '.join(sorted(_FIRST))}, was {first or 'nothing'}"
        raise NotAllowed(msg)
    for word, after in pairwise([*words, ""]):
        if word in _DOUBTFUL or not word.isascii():
            msg = f"{word} outside of a text is not supported: write it another way"
            raise NotAllowed(msg)
        if first in _DESCRIBE and after == "(" and word not in {*_DESCRIBE, "TABLE"}:
            raise NotAllowed(f"{word.lower()}() would be carried out to be described")
        if word == "INTO" and after == "OUTFILE":
            raise NotAllowed("INTO OUTFILE would write a file")
        if word in _FUNCTIONS and after == "(":
            raise NotAllowed(f"{word.lower()}() is not for readers")
        if word == ";" and after:
            raise NotAllowed("Expected one statement")


def _words(sql: str) -> list[str]:
    """Words in upper case and other characters, without texts and comments."""
    found = []
    for match in _TOKEN.finditer(sql):
        quoted = match["quoted"]
        if quoted is not None:  # a name, whatever it is made of
            if "/" in quoted:
                raise NotAllowed(f"{quoted} would be a file")
            found.append(_NOT_ASCII.sub("?", quoted[1:-1]).upper())
        elif match["skipped"] is None:
            found.append(match[0].upper())
    return found
