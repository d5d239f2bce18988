"""What can be wrong with the store, each in one line a user can act on."""


class StoreError(Exception):
    """The store cannot do what was asked; the message is the one line to show."""


class DiskFullError(StoreError):
    """There is no room to write; what is stored can be read."""


class StoreLocked(StoreError):  # noqa: N818  a name users of the package know
    """Another process has the file open: `holder`, if it is known."""

    def __init__(self, message: str, holder: int | None = None) -> None:
        super().__init__(message)
        self.holder = holder


class StoreTooNew(StoreError):  # noqa: N818  a name users of the package know
    """A newer liqstream wrote the file."""


class BadRowsError(StoreError):
    """Rows no later attempt can store."""
