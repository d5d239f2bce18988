"""What a device takes from beside the page: the service worker and the web manifest.

They are served from the page's own folder, below any prefix of a proxy: a worker acts for what is below its
own address and for nothing else.
"""

from __future__ import annotations

import json

from aiohttp import hdrs, web

from liqstream.http.content_coding import accepted_coding
from liqstream.http.responses import cacheable, not_found
from liqstream.http.static_files import PageFiles

WORKER = "js/push-worker.js"

MANIFEST = json.dumps(
    {
        "name": "liqstream",
        "short_name": "liqstream",
        "description": "Liquidation heatmap",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#0b0e14",
        "theme_color": "#0b0e14",
        "icons": [
            {"src": "static/icons/liqstream.svg", "sizes": "any", "type": "image/svg+xml"},
            {"src": "static/icons/liqstream-180.png", "sizes": "180x180", "type": "image/png"},
            {"src": "static/icons/liqstream-512.png", "sizes": "512x512", "type": "image/png"},
        ],
    }
).encode()
"""Every address is relative to it. iPhones take a page as an app by it, and only then let it have push."""


def add_device_routes(app: web.Application, files: PageFiles) -> None:
    """Serve both. They are asked for anew each time (no-cache), so that no old worker stays."""

    async def worker(request: web.Request) -> web.Response:
        """GET /push-worker.js"""
        file = files.by_name.get(WORKER)
        if file is None:
            raise not_found("no such file")
        bodies = dict(file.compressed)
        coding = accepted_coding(request.headers.get(hdrs.ACCEPT_ENCODING), tuple(bodies))
        return cacheable(
            request,
            bodies.get(coding, file.body),
            content_type=file.content_type,
            etag=file.etag,
            charset=file.charset,
            coding=coding,
        )

    async def manifest(request: web.Request) -> web.Response:
        """GET /manifest.webmanifest"""
        return cacheable(request, MANIFEST, content_type="application/manifest+json")

    app.router.add_get("/push-worker.js", worker)
    app.router.add_get("/manifest.webmanifest", manifest)
