"""Runs every libFuzzer program of build/fuzz for SECONDS each, as many at once as there are cores.

What a program learns stays in build/fuzz/corpus/<name>, so that the next run begins there; an input
that breaks it stays in build/fuzz/broken-<name>-… and is printed.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent / "build" / "fuzz"
MAX_INPUT_BYTES = 65536


def fuzz(program, seconds):
    corpus = FOLDER / "corpus" / program.name
    corpus.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [program, f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}", "-timeout=20",
         "-rss_limit_mb=2048", "-print_final_stats=1",
         f"-artifact_prefix={FOLDER}/broken-{program.name}-", corpus],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace")


def main():
    seconds = int(sys.argv[1])
    programs = sorted(path for path in FOLDER.glob("*_fuzz") if os.access(path, os.X_OK))
    failed = not programs
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        ended = pool.map(lambda program: fuzz(program, seconds), programs)
        for number, (program, result) in enumerate(zip(programs, ended), 1):
            lines = result.stdout.splitlines()
            for line in lines[-60 if result.returncode else -8:]:
                print("#", line)
            failed = failed or result.returncode != 0
            print(f"{'not ok' if result.returncode else 'ok'} {number} - {program.name}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
