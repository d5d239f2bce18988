"""`liqstream new-token`: a token for one client of a private server."""

from __future__ import annotations

from pathlib import Path

import click

from liqstream.admission.tokens import new_token, token_line
from liqstream.settings.load import BadSettingError, load_settings


@click.command(name="new-token")
@click.argument("name")
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The token file; without it LIQSTREAM_TOKENS_FILE.",
)
def command(name: str, path: Path | None) -> None:
    """Make a token for NAME: its hash goes into the token file, the token itself is printed, once.

    A server that runs takes it in on SIGHUP. To revoke it, delete the line and send SIGHUP again.
    """
    target = path or _configured()
    token = new_token()
    try:
        line = token_line(name, token)
        target.touch(mode=0o600)
        with target.open("a") as file:
            file.write(line + "\n")
    except (ValueError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise click.ClickException(f"cannot add {name!r} to {target}: {reason}") from None
    click.echo(token)


def _configured() -> Path:
    try:
        path = load_settings().tokens_file
    except BadSettingError as error:
        raise click.ClickException(str(error)) from None
    if not path:
        raise click.UsageError("say where the tokens are kept: --file, or LIQSTREAM_TOKENS_FILE")
    return Path(path)
