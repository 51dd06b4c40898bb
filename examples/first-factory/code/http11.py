"""A small HTTP/1.1 server: keep-alive, chunked streams, and word of a client that hung up.

A handler gets a Request and calls either `respond` once or `begin_stream`, `send` and `end_stream`.
One thread; everything from outside has a limit.
"""

import asyncio
import http
import json

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 1024 * 1024
MAX_CONNECTIONS = 256
IDLE_SECONDS = 120


class Refused(Exception):
    """An answer other than success: status, and what the caller can do about it."""

    def __init__(self, status, message, field=None, code=None):
        super().__init__(message)
        self.status, self.message, self.field, self.code = status, message, field, code


class Request:
    def __init__(self, method, path, body, writer, close):
        self.method, self.path, self.body = method, path, body
        self._writer = writer
        self.close, self.answered = close, False

    def _head(self, status, fields):
        self.answered = True
        lines = [f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}"]
        if self.close:
            fields = {**fields, "connection": "close"}
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def respond(self, status, value, fields=None):
        body = json.dumps(value).encode()
        head = {"content-type": "application/json", "content-length": len(body), **(fields or {})}
        self._writer.write(self._head(status, head) + (b"" if self.method == "HEAD" else body))
        await self._writer.drain()

    async def begin_stream(self):
        self._writer.write(self._head(200, {"content-type": "text/event-stream",
                                            "cache-control": "no-cache",
                                            "transfer-encoding": "chunked"}))
        await self._writer.drain()

    async def send(self, data):
        self._writer.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self._writer.drain()

    async def end_stream(self):
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()


async def _read_chunked(reader):
    body = b""
    while True:
        line = await reader.readline()
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise Refused(400, "a chunk begins with its size in hexadecimal") from None
        if size < 0 or len(body) + size > MAX_BODY_BYTES:
            raise Refused(413, f"the body is limited to {MAX_BODY_BYTES} bytes")
        if size == 0:
            while (await reader.readline()).strip():
                pass
            return body
        body += await reader.readexactly(size)
        await reader.readexactly(2)


async def _read_request(reader, writer):
    """The next request, or None when the client is done with the connection."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE_SECONDS)
    except (asyncio.IncompleteReadError, asyncio.TimeoutError):
        return None
    except asyncio.LimitOverrunError:
        raise Refused(431, f"the head is limited to {MAX_HEAD_BYTES} bytes") from None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    parts = first.split(" ")
    if len(parts) != 3 or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise Refused(400, "the first line is: method, target, HTTP/1.1")
    fields = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip() or not name:
            raise Refused(400, "a header field is: name, colon, value")
        if fields.setdefault(name.lower(), value.strip()) != value.strip():
            raise Refused(400, f"the header field {name} appears twice")
    length, coding = fields.get("content-length"), fields.get("transfer-encoding")
    if length is not None and coding is not None:
        raise Refused(400, "content-length and transfer-encoding exclude each other")
    if fields.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    if coding is not None:
        if coding.lower() != "chunked":
            raise Refused(501, "the only transfer-encoding is chunked")
        body = await _read_chunked(reader)
    else:
        if length is not None and not (length.isascii() and length.isdigit()):
            raise Refused(400, "content-length is a number")
        if int(length or 0) > MAX_BODY_BYTES:
            raise Refused(413, f"the body is limited to {MAX_BODY_BYTES} bytes")
        body = await reader.readexactly(int(length or 0))
    close = parts[2] == "HTTP/1.0" or fields.get("connection", "").lower() == "close"
    return Request(parts[0], parts[1].partition("?")[0], body, writer, close)


class _Connection(asyncio.StreamReaderProtocol):
    """A connection that says when the client hung up, even while nobody reads from it."""

    def __init__(self, reader, serve):
        self.gone = asyncio.Event()
        super().__init__(reader, lambda reader, writer: serve(reader, writer, self.gone))

    def eof_received(self):
        self.gone.set()
        return super().eof_received()

    def connection_lost(self, error):
        self.gone.set()
        super().connection_lost(error)


async def _answer(handler, render, request, gone):
    """Runs the handler, and stops it at once when the client hangs up; False: close."""
    work = asyncio.ensure_future(handler(request))
    watch = asyncio.ensure_future(gone.wait())
    try:
        await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return False
        try:
            work.result()
        except Refused as refused:
            if request.answered:
                return False
            await request.respond(refused.status, render(refused))
        return True
    finally:
        watch.cancel()
        work.cancel()
        await asyncio.gather(work, watch, return_exceptions=True)


class Server:
    """`handler(request)` answers; `render(refused)` gives the JSON body of a refusal."""

    def __init__(self, handler, render):
        self._handler, self._render = handler, render
        self._connections = set()
        self._busy = set()
        self._stopping = False

    async def _serve(self, reader, writer, gone):
        current = asyncio.current_task()
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.close()
            return
        self._connections.add(current)
        try:
            while not self._stopping:
                try:
                    request = await _read_request(reader, writer)
                except Refused as refused:
                    request = Request("GET", "", b"", writer, close=True)
                    await request.respond(refused.status, self._render(refused))
                    break
                if request is None:
                    break
                self._busy.add(current)
                request.close = request.close or self._stopping
                go_on = await _answer(self._handler, self._render, request, gone)
                self._busy.discard(current)
                if request.close or not go_on:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(current)
            self._busy.discard(current)
            writer.close()

    async def run(self, host, port, stop, ready):
        """Serves until the event `stop`, then finishes what it is answering."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Connection(asyncio.StreamReader(MAX_HEAD_BYTES, loop), self._serve),
            host, port, backlog=512)
        ready()
        await stop.wait()
        self._stopping = True
        server.close()
        for connection in self._connections - self._busy:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
