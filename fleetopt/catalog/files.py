"""Files as they are: found, read whole, parsed, and remembered by their content."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetopt.errors import InputError


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that an answer was computed from."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path, content: bytes) -> SourceFile:
        """The record of a file already read."""
        import hashlib

        return cls(path, hashlib.sha256(content).hexdigest())


def find_file(name: str, beside: Path | None = None) -> Path:
    """A file of the user's; a relative path is looked up beside `beside` first.

    Raises InputError.
    """
    path = locate(name, places(name, beside), None)
    if path is None:
        raise InputError.single(repr(name), "no such file")
    return path


def read_json(path: Path) -> tuple[Any, SourceFile]:
    """The content of a JSON file. Raises InputError."""
    return read_parsed(path, _parse_json, "JSON")


def json_in(path: Path) -> Any:
    """The same where nobody asks which file it was. Raises InputError."""
    text, _ = _read_text(path, "JSON")
    return _parsed_file(text, path, _parse_json, "JSON")


def parse_json(text: str, path: Path) -> Any:
    """The content of a JSON text that came from `path`. Raises InputError."""
    return _parsed(text, path, _parse_json, "JSON")


def read_text(path: Path, kind: str = "text") -> tuple[str, SourceFile]:
    """A text file in UTF-8, with or without a byte order mark. Raises InputError."""
    text, content = _read_text(path, kind)
    return text, SourceFile.of(path, content)


def _read_text(path: Path, kind: str) -> tuple[str, bytes]:
    """A text file, and its bytes. Raises InputError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError.single(str(path), f"cannot be read: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig"), content
    except UnicodeDecodeError as error:
        text = f"expected {kind} in UTF-8; byte {error.start} is not"
        raise InputError.single(str(path), text) from None


def read_parsed(path: Path, parse: Callable[[str], Any], kind: str) -> tuple[Any, SourceFile]:
    """The content of a text file by a reader of its kind. Raises InputError."""
    text, source = read_text(path, kind)
    return _parsed_file(text, path, parse, kind), source


def _parsed_file(text: str, path: Path, parse: Callable[[str], Any], kind: str) -> Any:
    if not text.strip() and kind == "JSON":
        raise InputError.single(str(path), f"expected {kind}, the file is empty")
    return _parsed(text, path, parse, kind)


def places(name: str, beside: Path | None) -> list[Path]:
    """Where a name is looked up: beside a file first."""
    return [*([beside / name] if beside is not None else []), Path(name)]


def locate(name: str, places: Sequence[Path], bundled: Path | None) -> Path | None:
    """The first place that holds something readable as a file, else the bundled file."""
    directory = False
    for path in places if name else ():
        if os.path.isdir(path):
            directory = True
        elif os.path.exists(path) or _is_hidden(path):
            return path
    if directory and bundled is None:
        raise InputError.single(name, "expected a file, this is a directory")
    return bundled


def _is_hidden(path: Path) -> bool:
    """Whether something may be there that cannot be looked at, such as in a closed folder."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _parse_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_without_repeats)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise ValueError(f"the key {repeated[0]!r} appears twice")
    return dict(pairs)


def _parsed(text: str, path: Path, parse: Callable[[str], Any], kind: str) -> Any:
    try:
        return parse(text)
    except RecursionError:
        raise InputError.single(str(path), f"expected {kind}; nested too deeply") from None
    except ValueError as error:
        raise InputError.single(str(path), f"expected {kind}: {error}") from None
