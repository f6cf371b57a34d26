"""A problem's own Python file: found, permitted, and run on the program.

Python can do anything that its user can. Bundled files run as they are; any other only if
the user allows it, and no file can allow itself. A plan never runs one.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from fleetopt.catalog import SourceFile, models_folder
from fleetopt.errors import ExtensionError, Fault, InputError, near
from fleetopt.problem import FleetProblem

_MODULE = "fleetopt_extension"
"""Name under which the file is run; dataclasses in it look their module up by name."""


@dataclass(frozen=True, eq=False)
class Extension:
    """A Python file with a function `extend(model)`, read and permitted but not run yet.

    code: compiled from the very bytes whose hash `source` states.
    """

    source: SourceFile
    code: CodeType

    @property
    def name(self) -> str:
        """The file without its folder."""
        return self.source.path.name

    def __call__(self, model: Any) -> None:
        """Run `extend` on a program; what it prints goes to standard error.

        Each call runs the whole file afresh. Raises ExtensionError if it raises, and
        InputError if there is no such function.
        """
        module = ModuleType(_MODULE)
        module.__file__ = str(self.source.path)
        before = sys.modules.get(_MODULE)
        sys.modules[_MODULE] = module
        try:
            with redirect_stdout(sys.stderr):
                self._guarded(lambda: exec(self.code, vars(module)))
                extend = self._function(module)
                returned = self._guarded(lambda: extend(model))
        finally:
            if before is None:
                del sys.modules[_MODULE]
            else:
                sys.modules[_MODULE] = before
        if returned is not None and returned is not model:
            kind = type(returned).__name__
            text = f"extend(model) must change the model and return nothing, got a {kind}"
            raise InputError.single(str(self.source.path), text)

    def _function(self, module: ModuleType) -> Callable[[Any], Any]:
        place, named = str(self.source.path), vars(module)
        extend = named.get("extend")
        if extend is None:
            functions = [name for name, value in named.items() if inspect.isfunction(value)]
            hint = near("extend", functions) if functions else ""
            raise InputError.single(place, "expected a function extend(model)", hint)
        if not callable(extend):
            text = f"expected a function extend(model), extend is a {type(extend).__name__}"
            raise InputError.single(place, text)
        try:
            signature = inspect.signature(extend)
            signature.bind(None)
        except TypeError:
            text = f"expected a function extend(model) of one argument, got extend{signature}"
            raise InputError.single(place, text) from None
        except ValueError:
            pass  # a builtin without a signature
        return extend  # type: ignore[no-any-return]

    def _guarded(self, run: Callable[[], Any]) -> Any:
        """Run the user's code; whatever it raises becomes an ExtensionError."""
        try:
            return run()
        except (Exception, SystemExit) as error:
            raise _failed(self.source.path, error) from error


def read_extension(
    problem: FleetProblem, beside: Path | None = None, *, allow_python: bool = False
) -> Extension | None:
    """The extension that a problem names, None if it names none; nothing of it is run.

    beside: folder of the problem's file; the current folder if absent.
    Raises InputError for a file that is missing, not permitted or not Python.
    """
    if problem.extension is None:
        return None
    stated = (beside or Path()) / problem.extension
    try:
        path = stated.resolve(strict=True)
        content = path.read_bytes()
    except (OSError, RuntimeError) as error:
        raise InputError.single("extension", *_unreadable(stated, error)) from None
    source = SourceFile.of(path, content)
    if not (allow_python or path.is_relative_to(models_folder().resolve())):
        raise InputError.single("extension", *_not_permitted(source, content))
    try:
        return Extension(source, compile(content, str(path), "exec", dont_inherit=True))
    except (SyntaxError, ValueError) as error:
        raise _failed(path, error) from None


def _unreadable(path: Path, error: Exception) -> tuple[str, str]:
    if not isinstance(error, FileNotFoundError):
        return f"{path} cannot be read: {getattr(error, 'strerror', None) or error}", ""
    others = [other.name for other in path.parent.glob("*.py")]
    return f"there is no file {path}", near(path.name, others)


def _not_permitted(source: SourceFile, content: bytes) -> tuple[str, str]:
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    what = f"{source.path} ({lines} lines, SHA-256 {source.sha256[:12]})"
    return (
        f"this would run the Python file {what}, which can do anything that you can",
        "read it, and if you trust it add --allow-python; from Python: allow_python=True",
    )


def _failed(path: Path, error: BaseException) -> ExtensionError:
    """What a user's file did wrong, with the lines of it that Python was in."""
    frames = [
        traceback.FrameSummary(frame.filename, frame.lineno, frame.name, line=frame.line)
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    said = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    kind = type(error).__name__
    if isinstance(error, SyntaxError) and error.filename == str(path):
        fault = Fault(f"{path}, line {error.lineno}", "this is not Python")
    elif frames:
        fault = Fault(f"{path}, line {frames[-1].lineno}", f"the extension raised {kind}")
    else:
        fault = Fault(str(path), f"the extension raised {kind}")
    return ExtensionError(fault, "".join(said).rstrip())
