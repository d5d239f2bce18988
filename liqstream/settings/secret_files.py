"""Where a file with secrets is read: a copy made for this service, the service manager's, or its own path.

A service without rights of its own cannot read what root keeps, and what systemd hands it (`LoadCredential=`)
are copies of the moment it was started. So a folder of copies that are made anew at each reload comes first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from liqstream.settings.whole_file import whole_file

SECRETS_DIR_HELP = (
    "Folder of copies: a file in it is read in the place of one of the same name that a setting names "
    "(tokens, certificate, key, alerts, *_FILE)."
)
CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Set by systemd for a unit with credentials."""
MAX_VALUE_BYTES = 8192
"""Of a setting that is kept in a file."""


class SecretFileError(Exception):
    """A file that holds no setting; the message says what is wrong with it, and not what is in it."""


def secret_path(path: str | Path, secrets_dir: str = "", environ: Mapping[str, str] = os.environ) -> Path:
    """The file to read for a setting that names `path`: the first folder that has one of its name wins.

    To be asked again at every reading, since copies come and go. The folders are `secrets_dir` and systemd's.
    """
    named = Path(path)
    for folder in (secrets_dir, environ.get(CREDENTIALS, "")):
        if folder and (copy := Path(folder, named.name)).is_file():
            return copy
    return named


def secret_value(path: Path) -> str:
    """The one line in a file, without the white space around it. Raises SecretFileError."""
    try:
        text = whole_file(path)[: MAX_VALUE_BYTES + 1].decode().strip()
    except OSError as error:
        raise SecretFileError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretFileError(f"cannot read {path}: it is no text") from None
    if not text or len(text.splitlines()) > 1 or len(text) > MAX_VALUE_BYTES:
        raise SecretFileError(f"{path} must hold one line, the value of the setting")
    return text
