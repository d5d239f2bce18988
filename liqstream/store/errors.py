"""What can be wrong with the store, each in one line a user can act on."""


class StoreError(Exception):
    """The store cannot do what was asked; the message is the one line to show."""


class StoreLocked(StoreError):  # noqa: N818  the house's name for it
    """Another process has the file open."""


class StoreTooNew(StoreError):  # noqa: N818  the house's name for it
    """A newer liqstream wrote the file."""


class BadRowsError(StoreError):
    """Rows no later attempt can store."""
