"""Behind a proxy that serves the page below a path of its own, and many visitors of one address at once."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import DRAWN, Opened, Watch
from tests.browser.servers import free_port

pytestmark = [pytest.mark.browser, pytest.mark.nginx]

CONF = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr;
events {{}}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}
  server {{
    listen 127.0.0.1:{port};
    location /liq/ {{
      proxy_pass {url}/; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


@pytest.fixture
def below_a_path(demo_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of the demo's page below /liq of an nginx."""
    binary = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    assert binary, "nginx is missing: `make test` installs it"
    port = free_port()
    (tmp_path / "nginx.conf").write_text(CONF.format(folder=tmp_path, port=port, url=demo_url))
    with subprocess.Popen([binary, "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]) as nginx:
        try:
            until_s = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert time.monotonic() < until_s, "nginx does not listen"
            yield f"http://127.0.0.1:{port}/liq/"
        finally:
            nginx.terminate()
            nginx.wait(timeout=10)


def test_below_a_path_the_page_is_live(page: Page, watch: Watch, below_a_path: str) -> None:
    """Scripts, styles, the history (once), the socket, logo and licences: all below the path, none beside it."""
    asked: list[str] = []
    watch.on(page, below_a_path.rstrip("/"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(below_a_path)
    page.wait_for_function(DRAWN)
    opened = Opened(page, watch)
    opened.until_indicator("live")
    assert sum("/history?" in url for url in asked) == 1
    page.wait_for_selector("#export-button[aria-expanded]")
    links = page.evaluate(
        "() => [...document.querySelectorAll('.brand, dialog.help a[href^=static], dialog.help a[href^=docs]')].map(a => a.href)"
    )
    assert len(links) == 4
    for link in links:
        assert link.startswith(below_a_path)
        assert page.request.get(link).ok, link
    assert watch.seen == []
    assert all(url.startswith(below_a_path) for url in asked if url.startswith("http"))


def test_the_page_s_second_address_finds_all_it_needs(
    open_page: Callable[..., Opened], demo_url: str
) -> None:
    """/coinglass is the same page."""
    opened = open_page(f"{demo_url}/coinglass")
    opened.until_indicator("live")
