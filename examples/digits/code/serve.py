"""The service: tells digits apart over the Open Inference Protocol, version 2.

Input "model"; listens on 127.0.0.1:$BESSEMER_PORT. The request's one tensor is named "image", of
shape [n, 784] or [n, 28, 28], datatype UINT8 (0..255) or FP32 (0..1); the answer's are "digit"
(INT64, [n]) and "chance" (FP32, [n, 10]).
"""

import http.server
import json
import os
import re
import signal
import threading

import digits  # first: it bounds NumPy's threads

import numpy

MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_IMAGES = 1024
MAX_THREADS = 64
MODEL_PATH = re.compile(r"^/v2/models/([^/]+)(?:/versions/[^/]+)?(/infer|/ready|)$")
INPUTS = [{"name": "image", "datatype": "UINT8", "shape": [-1, digits.PIXELS]}]
OUTPUTS = [{"name": "digit", "datatype": "INT64", "shape": [-1]},
           {"name": "chance", "datatype": "FP32", "shape": [-1, digits.DIGITS]}]


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def read_tensor(body):
    """Rows of pixels from 0 to 1."""
    inputs = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Refused(400, "inputs must be a list of one tensor")
    tensor = inputs[0]
    if tensor.get("name") != "image":
        raise Refused(400, "inputs[0].name must be image")
    kind, shape = tensor.get("datatype"), tensor.get("shape")
    if kind not in ("UINT8", "FP32"):
        raise Refused(400, "inputs[0].datatype must be UINT8 or FP32")
    if (not isinstance(shape, list) or not all(type(size) is int for size in shape)
            or shape[1:] not in ([digits.PIXELS], [28, 28]) or not 0 < shape[0] <= MAX_IMAGES):
        raise Refused(400, f"inputs[0].shape must be [n, 784] or [n, 28, 28], n up to {MAX_IMAGES}")
    try:
        pixels = numpy.array(tensor.get("data"), dtype=numpy.float32).reshape(-1)
    except (TypeError, ValueError):
        raise Refused(400, "inputs[0].data must be numbers, flat or nested as its shape") from None
    if pixels.size != shape[0] * digits.PIXELS:
        raise Refused(400, f"inputs[0].data has {pixels.size} numbers; its shape says "
                           f"{shape[0] * digits.PIXELS}")
    top = 255 if kind == "UINT8" else 1
    if not (numpy.isfinite(pixels).all() and 0 <= pixels.min() and pixels.max() <= top):
        raise Refused(400, f"inputs[0].data must be from 0 to {top}")
    pixels = pixels.reshape(shape[0], digits.PIXELS)
    return digits.scale(pixels) if kind == "UINT8" else pixels


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120  # seconds of silence after which a connection is closed

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def read_body(self):
        length = self.headers.get("content-length", "")
        if "transfer-encoding" in self.headers or not length.isdigit():
            self.close_connection = True
            raise Refused(411, "the request needs a content-length")
        if int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            raise Refused(413, f"the body is limited to {MAX_BODY_BYTES} bytes")
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(400, "the body must be JSON") from None

    def look_up(self):
        path = self.path.partition("?")[0]
        if path in ("/health", "/v2/health/live", "/v2/health/ready"):
            return {"live": True, "ready": True}
        if path == "/v2":
            return {"name": "digits", "version": "1", "extensions": []}
        found = MODEL_PATH.match(path)
        if found and found.group(2) == "/ready":
            return {"name": found.group(1), "ready": True}
        if found and not found.group(2):
            return {"name": found.group(1), "versions": ["1"], "platform": "numpy",
                    "inputs": INPUTS, "outputs": OUTPUTS}
        raise Refused(404, f"there is no {path}")

    def infer(self):
        body = self.read_body()
        found = MODEL_PATH.match(self.path.partition("?")[0])
        if not found or found.group(2) != "/infer":
            raise Refused(404, f"there is no {self.path}")
        images = read_tensor(body)
        _, chances = self.server.network.forward(images)
        values = {"digit": chances.argmax(1).tolist(), "chance": chances.ravel().tolist()}
        answer = {"model_name": found.group(1), "model_version": "1", "outputs": [
            {**output, "shape": [len(images)] + output["shape"][1:],
             "data": values[output["name"]]} for output in OUTPUTS]}
        if isinstance(body.get("id"), str):
            answer["id"] = body["id"]
        return answer

    def respond(self, work):
        try:
            self.answer(200, work())
        except Refused as refused:
            self.answer(refused.status, {"error": str(refused)})

    def do_GET(self):
        self.respond(self.look_up)

    def do_POST(self):
        self.respond(self.infer)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port, network):
        super().__init__(("127.0.0.1", port), Handler)
        self.network = network
        self._room = threading.BoundedSemaphore(MAX_THREADS)

    def process_request(self, request, client_address):
        self._room.acquire()  # further connections wait in the listen queue
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()


def main():
    network = digits.Network.load(digits.folder("BESSEMER_INPUTS", "model") / "digits.npz")
    server = Server(int(os.environ["BESSEMER_PORT"]), network)
    signal.signal(signal.SIGTERM,
                  lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    print(f"serving digits on port {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
