"""The OpenAI-compatible routes: chat, completions, embeddings, models, health.

The model continues text; a chat is given to it as the messages' texts, one after the other.
Each produced token is one streamed chunk (its text may be empty while a character is incomplete),
so that whoever counts chunks counts tokens. `stream_options.include_usage` adds the usage at the
end, `continuous_usage_stats` to every chunk.
"""

import base64
import codecs
import itertools
import json
import time

import numpy

import tokenizer
from engine import Overloaded, Sampling
from http11 import Refused

DEFAULT_MAX_TOKENS = 128
MAX_STOPS, MAX_STOP_CHARACTERS, MAX_INPUTS, MAX_MESSAGES = 4, 64, 64, 256


def render(refused):
    """A refusal as OpenAI's clients read it."""
    kind = "server_error" if refused.status >= 500 else "invalid_request_error"
    return {"error": {"message": refused.message, "type": kind, "param": refused.field,
                      "code": refused.code}}


def bad(field, message):
    return Refused(400, f"{field} {message}", field)


def number(body, field, kinds, low, high, default):
    value = body.get(field)
    if value is None:
        return default
    if type(value) not in kinds or not low <= value <= high:
        raise bad(field, f"must be {'a number' if float in kinds else 'an integer'} "
                         f"from {low} to {high}")
    return value


def flag(body, field):
    value = body.get(field)
    if value not in (None, True, False):
        raise bad(field, "must be true or false")
    return bool(value)


def stops_of(body):
    value = body.get("stop")
    stops = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or len(stops) > MAX_STOPS or not all(
            isinstance(stop, str) and 0 < len(stop) <= MAX_STOP_CHARACTERS for stop in stops):
        raise bad("stop", f"must be a text or up to {MAX_STOPS} texts of 1 to "
                          f"{MAX_STOP_CHARACTERS} characters")
    return stops


def text_of(content, field):
    """A message's content: a text, or parts of type text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise bad(field, "must be a text or a list of text parts")
    for part in content:
        if not (isinstance(part, dict) and part.get("type") == "text"
                and isinstance(part.get("text"), str)):
            raise bad(field, "may only hold parts of type text")
    return "".join(part["text"] for part in content)


def chat_prompt(body):
    messages = body.get("messages")
    if not isinstance(messages, list) or not 0 < len(messages) <= MAX_MESSAGES:
        raise bad("messages", f"must be a list of 1 to {MAX_MESSAGES} messages")
    texts = []
    for index, message in enumerate(messages):
        field = f"messages[{index}]"
        if not isinstance(message, dict):
            raise bad(field, "must be an object")
        if message.get("role") not in ("system", "developer", "user", "assistant"):
            raise bad(f"{field}.role", "must be system, developer, user or assistant")
        texts.append(text_of(message.get("content"), f"{field}.content"))
    return "\n".join(texts)


def completion_prompt(body):
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise bad("prompt", "must be one text")
    return prompt


class Text:
    """Turns tokens into text as they come, and finds the stop texts."""

    def __init__(self, encoding, stops):
        self._encoding, self._stops = encoding, stops
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self.stopped = False

    def add(self, token):
        """The text that is certain after this token."""
        return self._release(self._decoder.decode(self._encoding.bytes[token]))

    def end(self):
        return "" if self.stopped else self._release(self._decoder.decode(b"", True), last=True)

    def _release(self, more, last=False):
        self._held += more
        places = [at for at in map(self._held.find, self._stops) if at >= 0]
        if places:
            self.stopped = True
            return self._held[:min(places)]
        keep = 0 if last else max((size for stop in self._stops for size in range(1, len(stop))
                                   if self._held.endswith(stop[:size])), default=0)
        cut = len(self._held) - keep
        out, self._held = self._held[:cut], self._held[cut:]
        return out


class Shape:
    """How the two kinds of generation name their parts."""

    def __init__(self, chat, model):
        self.chat = chat
        self.common = {"id": f"{'chatcmpl' if chat else 'cmpl'}-{next(Api.numbers):08x}",
                       "created": int(time.time()), "model": model}

    def whole(self, text, finish, usage):
        choice = {"index": 0, "finish_reason": finish, "logprobs": None}
        choice |= {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        return {**self.common, "object": "chat.completion" if self.chat else "text_completion",
                "choices": [choice], "usage": usage}

    def chunk(self, text, finish=None, first=False, usage=None, empty=False):
        choice = {"index": 0, "finish_reason": finish, "logprobs": None}
        delta = ({"role": "assistant"} if first else {}) | ({} if finish else {"content": text})
        choice |= {"delta": delta} if self.chat else {"text": text}
        value = {**self.common, "choices": [] if empty else [choice],
                 "object": "chat.completion.chunk" if self.chat else "text_completion"}
        if usage:
            value["usage"] = usage
        return b"data: " + json.dumps(value).encode() + b"\n\n"


class Api:
    numbers = itertools.count(1)

    def __init__(self, engine):
        self.engine, self.model = engine, engine.model
        self.routes = {
            ("GET", "/health"): self.health, ("GET", "/v1/models"): self.models,
            ("POST", "/v1/chat/completions"): lambda request: self.generate(request, chat=True),
            ("POST", "/v1/completions"): lambda request: self.generate(request, chat=False),
            ("POST", "/v1/embeddings"): self.embeddings,
        }

    async def handle(self, request):
        method = "GET" if request.method == "HEAD" else request.method
        route = self.routes.get((method, request.path))
        if route is None:
            if any(path == request.path for _, path in self.routes):
                raise Refused(405, f"{request.method} is not for {request.path}")
            raise Refused(404, f"there is no {request.path}")
        await route(request)

    async def health(self, request):
        await request.respond(200, {"status": "ok"})

    async def models(self, request):
        await request.respond(200, {"object": "list", "data": [
            {"id": self.model.name, "object": "model", "created": 0, "owned_by": "bessemer",
             "max_model_len": self.model.context}]})

    def _body(self, request):
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            raise Refused(400, "the body must be JSON") from None
        if not isinstance(body, dict):
            raise Refused(400, "the body must be a JSON object")
        if not isinstance(body.get("model"), str):
            raise bad("model", "must name a model")
        return body

    def _sampling(self, body, prompt):
        room = self.model.context - len(prompt)
        if room < 1:
            raise Refused(400, f"the prompt is {len(prompt)} tokens; the model's context is "
                               f"{self.model.context}: shorten it", "messages",
                          "context_length_exceeded")
        number(body, "n", (int,), 1, 1, 1)
        stated = number(body, "max_tokens", (int,), 1, 1_000_000, None)
        stated = number(body, "max_completion_tokens", (int,), 1, 1_000_000, stated)
        return Sampling(
            max_tokens=min(room, DEFAULT_MAX_TOKENS if stated is None else stated),
            temperature=float(number(body, "temperature", (int, float), 0, 2, 0.7)),
            top_p=float(number(body, "top_p", (int, float), 0, 1, 0.95)),
            seed=number(body, "seed", (int,), 0, 2**63 - 1, None))

    async def generate(self, request, chat):
        body = self._body(request)
        text = chat_prompt(body) if chat else completion_prompt(body)
        prompt = self.model.tokenizer.encode(text) or [tokenizer.END]
        sampling, shape = self._sampling(body, prompt), Shape(chat, body["model"])
        words = Text(self.model.tokenizer, stops_of(body))
        stream, options = flag(body, "stream"), body.get("stream_options") or {}
        if not isinstance(options, dict):
            raise bad("stream_options", "must be an object")
        at_end = flag(options, "include_usage")
        always = flag(options, "continuous_usage_stats")
        produced, finish, out = 0, "length", []

        def usage():
            return {"prompt_tokens": len(prompt), "completion_tokens": produced,
                    "total_tokens": len(prompt) + produced}

        tokens = self.engine.generate(prompt, sampling)
        try:
            async for token in tokens:
                produced += 1
                piece = words.add(token)
                if stream:
                    if produced == 1:
                        await request.begin_stream()
                    await request.send(shape.chunk(piece, first=produced == 1,
                                                   usage=usage() if always else None))
                else:
                    out.append(piece)
                if words.stopped or token == tokenizer.END:
                    finish = "stop"
                    break
        except Overloaded:
            raise Refused(503, "too many requests are waiting: try again in a second") from None
        finally:
            await tokens.aclose()
        rest = words.end()
        if not stream:
            await request.respond(200, shape.whole("".join(out) + rest, finish, usage()))
            return
        if rest:
            await request.send(shape.chunk(rest, usage=usage() if always else None))
        await request.send(shape.chunk("", finish, usage=usage() if always else None))
        if at_end:
            await request.send(shape.chunk("", usage=usage(), empty=True))
        await request.send(b"data: [DONE]\n\n")
        await request.end_stream()

    async def embeddings(self, request):
        body = self._body(request)
        given = body.get("input")
        inputs = [given] if isinstance(given, str) else given
        if not isinstance(inputs, list) or not 0 < len(inputs) <= MAX_INPUTS or not all(
                isinstance(text, str) and text for text in inputs):
            raise bad("input", f"must be a text or 1 to {MAX_INPUTS} texts, none empty")
        coding = body.get("encoding_format", "float")
        if coding not in ("float", "base64"):
            raise bad("encoding_format", "must be float or base64")
        encoded = [self.model.tokenizer.encode(text) for text in inputs]
        if any(len(tokens) > self.model.context for tokens in encoded):
            raise Refused(400, f"each input is limited to {self.model.context} tokens", "input",
                          "context_length_exceeded")
        data = []
        for index, tokens in enumerate(encoded):
            vector = self.engine.embed(tokens).astype(numpy.float32)
            value = (base64.b64encode(vector.tobytes()).decode() if coding == "base64"
                     else [float(x) for x in vector])
            data.append({"object": "embedding", "index": index, "embedding": value})
        count = sum(map(len, encoded))
        await request.respond(200, {"object": "list", "data": data, "model": body["model"],
                                    "usage": {"prompt_tokens": count, "total_tokens": count}})
