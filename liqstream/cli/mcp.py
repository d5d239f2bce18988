"""`liqstream mcp`: tools for assistants over stdin and stdout, which read a running server."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys

import click

from liqstream.assistant.server_reader import ServerReader
from liqstream.client import ClientError
from liqstream.client.url_mask import masked

DEFAULT_URL = "http://127.0.0.1:8000"


@click.command()
@click.option(
    "--url", envvar="LIQSTREAM_URL", default=DEFAULT_URL, show_default=True, help="Or LIQSTREAM_URL."
)
@click.option("--token", envvar="LIQSTREAM_TOKEN", help="Bearer token (or LIQSTREAM_TOKEN).")
def command(url: str, token: str | None) -> None:
    """Answer an assistant's questions about the maps of a running server, until it closes stdin.

    It speaks the Model Context Protocol and reads the server by REST, never a store; it can change nothing.
    Its log is on stderr.
    """
    if importlib.util.find_spec("mcp") is None:
        raise click.ClickException("the protocol's package is missing; pip install 'liqstream[mcp]'")
    from liqstream.assistant.tools import make_server

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        server = make_server(ServerReader(url, token))
    except ClientError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"liqstream mcp: reads {masked(url)}", err=True)
    asyncio.run(server.run_stdio_async())
