"""Masking: personal data are taken out of messages before anything is logged."""

from __future__ import annotations

import re

_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_NUMBER = re.compile(r"(?<![\w.])\+?\(?\d(?:[ ()./-]{0,2}\d){7,24}(?!\w)")
_KEY = re.compile(r"concierge_[0-9a-f]{12}_[\w-]{10,}|(?<=[Bb]earer )[\w.~+/=-]{8,}")

_CARD = range(13, 20)
"""Digits of a payment card (ISO/IEC 7812)."""
_LEAST_PHONE = 9
"""Fewer digits than these are years, prices and ratings rather than a telephone number."""


def masked(text: str) -> str:
    """``text`` with mail addresses, telephone and card numbers and keys replaced by what they are.

    >>> masked("Mail ann@example.org or call +49 30 1234567")
    'Mail [mail] or call [phone]'
    """
    text = _KEY.sub("[key]", text)
    text = _MAIL.sub("[mail]", text)
    return _NUMBER.sub(lambda match: _number(match.group()), text)


def _number(text: str) -> str:
    digits = [int(character) for character in text if character.isdecimal()]
    if len(digits) in _CARD and _luhn(digits):
        return "[card]"
    if len(digits) >= _LEAST_PHONE or text.startswith("+"):
        return "[phone]"
    return text


def _luhn(digits: list[int]) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    doubled = [
        digit if place % 2 == 0 else (2 * digit - 1) % 9 + 1 if digit else 0 for place, digit in enumerate(digits[::-1])
    ]
    return sum(doubled) % 10 == 0
