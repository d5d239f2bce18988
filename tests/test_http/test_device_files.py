"""The service worker and the manifest, as every browser asks for them."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from liqstream.http.device_files import add_device_routes
from liqstream.http.static_files import PageFiles, web_root


async def test_the_worker_is_asked_for_anew_and_stands_beside_the_page(aiohttp_client: AiohttpClient) -> None:
    files = PageFiles()
    await asyncio.to_thread(lambda: files.read(web_root()))
    app = web.Application()
    add_device_routes(app, files)
    client = await aiohttp_client(app)
    response = await client.get("/push-worker.js")
    assert response.status == 200
    assert response.content_type == "text/javascript"
    assert response.headers["Cache-Control"] == "no-cache"
    text = await response.text()
    assert "notificationclick" in text
    assert '"fetch"' not in text
    again = await client.get("/push-worker.js", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status == 304


async def test_the_manifest_names_files_that_exist_all_relative(aiohttp_client: AiohttpClient) -> None:
    files = PageFiles()
    await asyncio.to_thread(lambda: files.read(web_root()))
    app = web.Application()
    add_device_routes(app, files)
    client = await aiohttp_client(app)
    response = await client.get("/manifest.webmanifest")
    assert response.content_type == "application/manifest+json"
    manifest = json.loads(await response.text())
    assert manifest["display"] == "standalone"
    assert manifest["start_url"] == manifest["scope"] == "./"
    for icon in manifest["icons"]:
        assert icon["src"].removeprefix("static/") in files.by_name


async def test_a_page_without_its_files_has_no_worker(aiohttp_client: AiohttpClient) -> None:
    app = web.Application()
    add_device_routes(app, PageFiles())
    client = await aiohttp_client(app)
    assert (await client.get("/push-worker.js")).status == 404
