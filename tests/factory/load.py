"""Many clients at once, without retries: each call says how it ended and which request it was."""

import asyncio
import dataclasses
import json

PATIENCE_SECONDS = 60


@dataclasses.dataclass
class Ended:
    """How one call ended. `whole`: every byte of the answer came."""
    status: int = 0          # 0: no answer at all
    request: str = ""        # the gateway's x-request-id
    body: bytes = b""
    whole: bool = False
    code: str = ""           # of the error's envelope

    @property
    def complete(self):
        """Served to the last byte: a stream must say so itself."""
        if self.status != 200 or not self.whole:
            return False
        return b"\ndata: [DONE]" in self.body or not self.body.startswith(b"data: ")


async def _chunks(reader):
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        piece = (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            return
        yield piece


async def _exchange(reader, writer, bytes_, ended, leave_after):
    writer.write(bytes_)
    await writer.drain()
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    ended.status = int(lines[0].split(" ")[1])
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    ended.request = fields.get("x-request-id", "")
    if "content-length" in fields:
        ended.body = await reader.readexactly(int(fields["content-length"]))
    else:
        async for piece in _chunks(reader):
            ended.body += piece
            if leave_after and ended.body.count(b"data: ") >= leave_after:
                return
    ended.whole = True
    if ended.status != 200:
        error = json.loads(ended.body).get("error", {})
        ended.code = (error.get("code") if isinstance(error, dict) else str(error)) or ""


async def call(port, path, key, body, method="POST", leave_after=0, gone=None):
    """One call on a connection of its own. `leave_after`: hangs up after so many events; `gone`: after
    so many seconds, whatever has come."""
    ended = Ended()
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    bytes_ = (f"{method} {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n"
              f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
              ).encode() + data
    writer = None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        exchange = _exchange(reader, writer, bytes_, ended, leave_after)
        await asyncio.wait_for(exchange, gone or PATIENCE_SECONDS)
    except (OSError, EOFError, ValueError, asyncio.TimeoutError):
        pass
    finally:
        if writer:
            writer.transport.abort()
    return ended
