"""Plays scenes against a factory each, or rewrites what their commands print: see README.md.

Usage: run.py [--update] [FILE...]. TAP on standard output; without FILE, every *.scene beside this.
"""

import argparse
import concurrent.futures
import pathlib
import subprocess
import sys

import script

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "factory"))
from factory import Factory

PATIENCE_SECONDS = 120
AT_ONCE = 2


def perform(command, factory, folder):
    """(lines, status) of one command."""
    try:
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=factory.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        return [f"(did not end within {PATIENCE_SECONDS} s)"], 124
    text = done.stdout.decode(errors="replace")
    lines = [line.rstrip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return lines, done.returncode


def play(path, update):
    """None when the scene went as written (or was rewritten), else what differed."""
    parts = script.parse(path.read_text())
    with Factory() as factory:
        folder = factory.home / "work"
        folder.mkdir()
        captured = {"api_port": str(factory.api_port), "gateway_port": str(factory.gateway_port),
                    "home": str(factory.state), "root": str(HERE.parent.parent)}
        for step in (part for part in parts if isinstance(part, script.Step)):
            got, status = perform(script.substitute(step.command, captured), factory, folder)
            if update:
                step.expected, step.status = script.rewrite(step.expected, got, captured), status
                continue
            differs = script.match(step.expected, got, captured)
            if differs is None and status != step.status:
                differs = f"the exit status is {status}, not {step.status}"
            if differs:
                shown = "\n".join("  " + line for line in got)
                return f"{path.name}:{step.line}: $ {step.command}\n{differs}\nit printed:\n{shown}"
    if update:
        path.write_text(script.render(parts))
    return None


def attempt(path, update):
    try:
        return play(path, update)
    except Exception as error:  # a scene that cannot be played has failed; the others go on
        return f"{path.name}: {type(error).__name__}: {error}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--update", action="store_true")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    paths = options.files or sorted(HERE.glob("*.scene"))
    failed = not paths
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(lambda path: attempt(path, options.update), paths)
        for number, (path, differs) in enumerate(zip(paths, results), 1):
            if differs:
                failed = True
                print("\n".join("# " + line for line in differs.splitlines()))
            print(f"{'not ok' if differs else 'ok'} {number} - {path.stem}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
