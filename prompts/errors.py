"""PromptError: what is wrong with a template or its inputs, where, and how to mend it."""

from __future__ import annotations


class PromptError(ValueError):
    """A template, or what was given to it, is not usable.

    ``message`` names the bad value and the fix; ``file`` is the template's path or name, ``line`` counts from 1 in
    that file (None where no single line is at fault). ``str()`` reads ``file:line: message``, as editors expect it.
    """

    def __init__(self, message: str, file: str | None = None, line: int | None = None) -> None:
        """Keep the parts; the text is put together from them."""
        self.message, self.file, self.line = message, file, line
        where = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(where + message)

    def __reduce__(self) -> tuple[type[PromptError], tuple[str, str | None, int | None]]:
        """Survive pickling, so that the error may cross processes."""
        return type(self), (self.message, self.file, self.line)
