"""The service: answers OpenAI's routes with the trained model, on 127.0.0.1:$BESSEMER_PORT.

Input "model". One process, one thread; SIGTERM lets running answers end and then exits with 0.
"""

import asyncio
import os
import signal

import task

task.use_threads(1)  # such small products lose time on a second thread

from engine import Engine
from http11 import Server
from inference import Model
from openai_api import Api, render


async def serve(model, port):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = Engine(model)
    server = Server(Api(engine).handle, render)
    generating = asyncio.create_task(engine.run())
    serving = asyncio.create_task(server.run(
        "127.0.0.1", port, stop, lambda: print(f"serving {model.name} on port {port}", flush=True)))
    done, _ = await asyncio.wait({generating, serving}, return_when=asyncio.FIRST_COMPLETED)
    generating.cancel()
    for finished in done:
        finished.result()  # an engine that failed ends the process: a replica is replaced, not half alive


def main():
    port = os.environ.get("BESSEMER_PORT", "")
    if not port.isdigit():
        task.refuse("BESSEMER_PORT is not set: this program runs as a service of a factory")
    asyncio.run(serve(Model(task.input_folder("model")), int(port)))


if __name__ == "__main__":
    main()
