"""What a data card says that a rule left out."""

from agent.data.card import Card


def left_out(card: Card, rule: str) -> int:
    """How many rows a rule left out."""
    return sum(own.rows for own in card.left_out if own.rule == rule)
