"""Numbers of things, as people say them."""


def counted(count: int, noun: str) -> str:
    """`1 picture`, `2,000 pictures`; for nouns whose plural ends in s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
