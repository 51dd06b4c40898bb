"""A replica for tests: a small real HTTP server that speaks as an engine does, and fails as told.

OpenAI's /v1/chat/completions, streamed or not, and /v2/models/{name}/infer. The body's words say what
is answered: "say N" produces N tokens, "slow N" waits N ms before each, "break" cuts the connection
after them, "trouble" answers 500. Usage is counted in every chunk, as engines can.
"""

import asyncio
import json
import os
import re
import signal

MODEL = "engine"


def number(text, word, otherwise):
    found = re.search(word + r" (\d+)", text)
    return int(found.group(1)) if found else otherwise


def usage(tokens):
    return {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}


def head(status, kind, length=None):
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return (f"HTTP/1.1 {status} {'OK' if status == 200 else 'No'}\r\ncontent-type: {kind}\r\n"
            f"{framing}\r\n\r\n").encode()


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(value):
    return chunk(b"data: " + json.dumps(value).encode() + b"\n\n")


class Cut(Exception):
    """The connection is to be closed without another word."""


async def produce(text):
    """The numbers of the tokens, one after another, at the pace that is asked for."""
    pause = number(text, "slow", 0) / 1000
    for count in range(1, number(text, "say", 1) + 1):
        if pause:
            await asyncio.sleep(pause)
        yield count


async def stream(text, out):
    out.write(head(200, "text/event-stream"))
    for_all = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    tokens = 0
    async for tokens in produce(text):
        choice = {"index": 0, "delta": {"content": f"t{tokens} "}, "finish_reason": None}
        out.write(event({**for_all, "choices": [choice], "usage": usage(tokens)}))
        await out.drain()
    if "break" in text:
        raise Cut
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    out.write(event({**for_all, "choices": [last], "usage": usage(tokens)}))
    out.write(event({**for_all, "choices": [], "usage": usage(tokens)}))
    out.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


async def whole(text, out):
    said, tokens = "", 0
    async for tokens in produce(text):
        said += f"t{tokens} "
    if "break" in text:
        raise Cut
    message = {"role": "assistant", "content": said}
    body = json.dumps({"id": "c1", "object": "chat.completion", "created": 1, "model": MODEL,
                       "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                       "usage": usage(tokens)}).encode()
    out.write(head(200, "application/json", len(body)) + body)


async def answer(path, body, out):
    text = body.decode()
    if "trouble" in text:
        out.write(head(500, "text/plain", 4) + b"oops")
    elif path.endswith("/infer"):
        pause = number(text, "slow", 0) / 1000
        await asyncio.sleep(pause)
        done = json.dumps({"model_name": MODEL, "outputs": [
            {"name": "y", "shape": [1], "datatype": "INT32", "data": [7]}]}).encode()
        out.write(head(200, "application/json", len(done)) + done)
    elif path.endswith("/chat/completions"):
        await (stream if json.loads(text).get("stream") else whole)(text, out)
    else:
        out.write(head(200, "application/json", 2) + b"{}")


async def serve(reader, out):
    try:
        while True:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            length = next((int(line.split(":")[1]) for line in lines
                           if line.lower().startswith("content-length:")), 0)
            await answer(lines[0].split(" ")[1], await reader.readexactly(length), out)
            await out.drain()
    except (asyncio.IncompleteReadError, ConnectionError, Cut):
        pass
    finally:
        out.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["BESSEMER_PORT"]),
                                        backlog=1024)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with server:
        await ended.wait()


asyncio.run(main())
