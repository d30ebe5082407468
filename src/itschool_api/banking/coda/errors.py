"""The one way in which a CODA file is refused.

ValueError
└── CodaError    where it is, what was read, what was expected, and why that matters
"""


class CodaError(ValueError):
    """The file breaks the standard, or its own arithmetic, and nothing of it may be used.

    ``line`` and ``column`` are 1-based; a file without line ends counts records as lines.
    ``column`` is the one where the field begins. ``read`` and ``expected`` are for people.
    """

    def __init__(self, line: int, column: int, read: str, expected: str, reason: str) -> None:
        """Keep the facts apart, so that a program can show them in its own way."""
        super().__init__(line, column, read, expected, reason)
        self.line = line
        self.column = column
        self.read = read
        self.expected = expected
        self.reason = reason

    def __str__(self) -> str:
        """Say the refusal in one sentence."""
        return (
            f"line {self.line}, column {self.column}: {self.reason} "
            f"(read {self.read!r}, expected {self.expected})"
        )
