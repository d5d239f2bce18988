"""Responses that must be worked out: made in a thread within bounds, then written piece by piece."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from aiohttp import hdrs, web

from liqstream.admission.policy import ADMISSION, RefusalReason
from liqstream.http.content_coding import IDENTITY, accepted_coding, encoded
from liqstream.http.responses import bad_request, cache_headers, is_known, unavailable
from liqstream.http.stalled_readers import STALLED_S, dropping_stalled_readers
from liqstream.http.work_queue import HEAVY_PLACES, ByteBudget, QueueFullError, WorkQueue
from liqstream.wire.history_json import HistoryTooLargeError

HEAVY_CELLS = 200_000
"""Predicted cells from which a request is heavy: it needs a place, and its cost counts in the rate."""
CELLS_PER_TOKEN = 50_000
"""Of a heavy request, for one token of its address's rate."""
OCTETS = "application/octet-stream"
_PIECE_BYTES = 65_536
_RETRY_AFTER_S = 3


@dataclass(frozen=True, slots=True)
class MadeBody:
    """A whole body in its content coding; `etag` is of what it says, whatever the coding."""

    parts: tuple[bytes, ...]
    etag: str

    @property
    def size(self) -> int:
        """Bytes it holds."""
        return sum(map(len, self.parts))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request is predicted to take: cells of the matrix, and bytes of the body at most."""

    cells: int
    body_bytes: int

    @property
    def is_heavy(self) -> bool:
        """Must it wait for a place?"""
        return self.cells > HEAVY_CELLS


class NoAnswerYetError(Exception):
    """Nothing is known of what was asked for; the message says of what."""


class ResponseQueues:
    """The queues of one application: heavy requests have places, light ones only wait their turn."""

    def __init__(self) -> None:
        self.budget = ByteBudget()
        self.heavy: WorkQueue[MadeBody] = WorkQueue(self.budget, places=HEAVY_PLACES)
        self.light: WorkQueue[MadeBody] = WorkQueue(self.budget)

    async def close(self) -> None:
        """End what is being made."""
        await asyncio.gather(self.heavy.close(), self.light.close())


QUEUES = web.AppKey("response_queues", ResponseQueues)

MakeParts = Callable[[], Awaitable[Iterable[bytes]]]
"""Awaited on the event loop; what it returns is iterated in a thread."""


async def made_response(
    request: web.Request, cost: Cost, make_parts: MakeParts, *, content_type: str
) -> web.StreamResponse:
    """The body of `make_parts` with an ETag, in the coding the client likes best; 304 where it is known.

    Equal requests share one body; octets are byte planes. Raises a 503 with Retry-After where there is no
    place, and a 400 for a HistoryTooLargeError.
    """
    admission = request.app[ADMISSION]
    address = admission.key(request)
    coding = accepted_coding(request.headers.get(hdrs.ACCEPT_ENCODING))
    queues = request.app[QUEUES]
    queue = queues.heavy if cost.is_heavy else queues.light

    async def make() -> MadeBody:
        if cost.is_heavy:
            admission.requests.charge(admission.rate_key(request), math.ceil(cost.cells / CELLS_PER_TOKEN))
        parts = await make_parts()
        return await asyncio.to_thread(_made, parts, coding, planes=content_type == OCTETS)

    key = (request.path, request.query_string, content_type, coding)
    try:
        async with queue.body(key, address, cost.body_bytes, make) as body:
            return await _sent(request, body, content_type, coding)
    except QueueFullError:
        admission.count(RefusalReason.BUSY)
        raise unavailable(
            "too many large requests are waiting; ask again, or for a shorter window or a longer interval",
            retry_after_s=_RETRY_AFTER_S,
        ) from None
    except HistoryTooLargeError as error:
        raise bad_request(str(error)) from None
    except NoAnswerYetError as error:
        raise unavailable(str(error), retry_after_s=5) from None


def _made(parts: Iterable[bytes], coding: str, *, planes: bool) -> MadeBody:
    digest = blake2b(digest_size=8)

    def hashed() -> Iterator[bytes]:
        for part in parts:
            digest.update(part)
            yield part

    done = tuple(encoded(hashed(), coding, planes=planes))
    return MadeBody(done, digest.hexdigest())


async def _sent(request: web.Request, body: MadeBody, content_type: str, coding: str) -> web.StreamResponse:
    if is_known(request, body.etag):
        unchanged = web.Response(status=304, headers=cache_headers())
        unchanged.etag = body.etag
        return unchanged
    response = web.StreamResponse(headers=cache_headers())
    response.content_type = content_type
    response.etag = body.etag
    response.content_length = body.size
    if coding != IDENTITY:
        response.headers[hdrs.CONTENT_ENCODING] = coding
    await response.prepare(request)
    if request.method == hdrs.METH_HEAD:
        return response
    with dropping_stalled_readers(request):
        for part in body.parts:
            for start in range(0, len(part), _PIECE_BYTES):
                piece = memoryview(part)[start : start + _PIECE_BYTES]
                await asyncio.wait_for(response.write(piece), STALLED_S)
        await asyncio.wait_for(response.write_eof(), STALLED_S)
    return response
