"""A folder that looks to a program as the inside of a task does (docs/task.md), without a factory."""

import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 300  # only a machine that does far more than these tests takes as long


class Task:
    """One task of the code in `code`; `inputs` are folders, each known by its own name or a given one."""

    def __init__(self, code, parent, name, parameters=None, inputs=()):
        self.code = code
        self.folder = pathlib.Path(parent) / name
        for part in ("inputs", "outputs", "checkpoints", "tmp"):
            (self.folder / part).mkdir(parents=True)
        for source in inputs:
            known_as, path = source if isinstance(source, tuple) else (source.name, source)
            (self.folder / "inputs" / known_as).symlink_to(path)
        (self.folder / "parameters.json").write_text(json.dumps(parameters or {}))

    def start(self, program, **more):
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(self.folder / "tmp"),
            "TMPDIR": str(self.folder / "tmp"), "PYTHONDONTWRITEBYTECODE": "1",
            "BESSEMER_CODE": str(self.code), "BESSEMER_CPUS": "1",
            "BESSEMER_METRICS": str(self.folder / "metrics.jsonl"),
            "BESSEMER_PARAMETERS": str(self.folder / "parameters.json"), **more}
        for part in ("inputs", "outputs", "checkpoints"):
            environment[f"BESSEMER_{part.upper()}"] = str(self.folder / part)
        return subprocess.Popen(["/usr/bin/python3", str(self.code / program)], cwd=self.code,
                                env=environment, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, program):
        process = self.start(program)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, output

    def output(self, name):
        return self.folder / "outputs" / name

    def metrics(self):
        return [json.loads(line) for line in
                (self.folder / "metrics.jsonl").read_text().splitlines()]
