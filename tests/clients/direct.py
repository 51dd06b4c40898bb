"""The client libraries against the first example's own server: the engine, without the gateway."""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "examples"))
from fake_task import Task

CODE = ROOT / "examples" / "first-factory" / "code"
INSTALLED = ROOT / ".deps" / "clients"
SMALL = {"steps": 30, "batch": 8, "context": 128, "vocabulary": 512, "width": 64, "layers": 2,
         "heads": 2}


def run_clients(base_url, key, model, gateway):
    """Runs the cases of both libraries; True when none failed."""
    environment = {**os.environ, "CLIENT_BASE_URL": base_url, "CLIENT_KEY": key,
                   "CLIENT_MODEL": model, "CLIENT_GATEWAY": "1" if gateway else "0",
                   "CLIENT_NODE_MODULES": str(INSTALLED / "node"),
                   "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    commands = [[INSTALLED / "python" / "bin" / "python", HERE / "openai_python.py"],
                ["node", HERE / "openai_node.mjs"]]
    return all([subprocess.run(command, env=environment).returncode == 0 for command in commands])


def main():
    with tempfile.TemporaryDirectory() as parent, socket.socket() as free:
        ingest = Task(CODE, parent, "extract", {"books": 2})
        train = Task(CODE, parent, "train", SMALL, [ingest.output("dataset")])
        for step, program in ((ingest, "ingest.py"), (train, "train.py")):
            status, output = step.run(program)
            if status != 0:
                sys.exit(output)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        service = Task(CODE, parent, "serve", {}, [train.output("model")])
        process = service.start("serve.py", BESSEMER_PORT=str(port))
        try:
            process.stdout.readline()
            passed = run_clients(f"http://127.0.0.1:{port}/v1", "unused", "first-factory", False)
        finally:
            process.kill()
            process.communicate()
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
