"""kill -9 of the daemon at random moments of the example: no job, no artifact, no money is lost.

Usage: kills.py COUNT [SEED]. Pipelines run one after another, each with another seed so that nothing
comes from the cache; a client streams from the endpoint all the while. The moments are drawn from
SEED, which is printed.
"""

import json
import random
import sys
import threading
import time
import urllib.error
import urllib.request

from factory import Factory, Failed, wait_for

LONGEST_SECONDS = 4.0     # between two kills: a pipeline of this size takes longer
SETTLED_SECONDS = 60


class Client(threading.Thread):
    """Streams answers one after another and keeps the usage of those that it saw whole."""

    def __init__(self, factory, key):
        super().__init__(daemon=True)
        self.factory, self.key = factory, key
        self.whole, self.tokens, self.broken = 0, 0, 0
        self.failures = {}
        self.ended = threading.Event()

    def run(self):
        while not self.ended.is_set():
            try:
                usage = self.ask()
                self.whole += 1
                self.tokens += usage["completion_tokens"]
            except (OSError, ValueError) as error:
                self.broken += 1
                name = f"{type(error).__name__} {getattr(error, 'code', '')}".strip()
                self.failures[name] = self.failures.get(name, 0) + 1
                self.ended.wait(0.05)

    def ask(self):
        """The usage of an answer that came whole; ValueError when it was cut."""
        body = {"model": "first-factory", "prompt": "And", "max_tokens": 16, "stream": True,
                "stream_options": {"include_usage": True}}
        request = urllib.request.Request(
            f"{self.factory.model_url}/completions", json.dumps(body).encode(),
            {"authorization": f"Bearer {self.key}", "content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read().decode()
        events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
        if not events or events[-1] != "[DONE]":
            raise ValueError("the stream was cut")
        return json.loads(events[-2])["usage"]


def billed(factory, meter):
    lines = factory.ask("statement", "-p", "demo")["lines"]
    return sum(int(line["quantity"]) for line in lines if line["meter"] == meter)


class Report:
    """TAP: one line a claim."""

    def __init__(self):
        self.number, self.failed = 0, False

    def claim(self, name, holds, detail=""):
        self.number += 1
        self.failed = self.failed or not holds
        if not holds:
            print("\n".join("# " + line for line in str(detail).splitlines()))
        print(f"{'ok' if holds else 'not ok'} {self.number} - {name}", flush=True)


def torment(factory, client, count, moments, report):
    """Kills the daemon `count` times over as many pipelines as that takes."""
    killed, seed = 0, 100
    while killed < count:
        seed += 1
        run = factory.run_pipeline(wait=False, seed=seed)["id"]
        while killed < count:
            time.sleep(moments.uniform(0.05, LONGEST_SECONDS))
            factory.kill()
            killed += 1
            factory.start()
            if factory.pipeline_run(run)["status"] not in ("running", "cancelling"):
                break
        ended = factory.wait_for_run(run)
        report.claim(f"after {killed} kills pipeline {seed - 100} is complete",
                     ended["status"] == "succeeded", json.dumps(ended, indent=1)[-3000:])
    client.ended.set()
    client.join()


def main():
    count = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(10**6)
    print(f"# seed {seed}")
    report = Report()
    with Factory() as factory:
        factory.set_up()
        first = factory.run_pipeline()
        report.claim("the example runs", first["status"] == "succeeded", first)
        client = Client(factory, factory.key("kills")["secret"])
        client.start()
        torment(factory, client, count, random.Random(seed), report)
        print(f"# {client.whole} answers whole, {client.broken} not: {client.failures}")
        report.claim("the endpoint kept answering", client.whole > count, client.failures)

        def settled():
            return billed(factory, "output_tokens") >= client.tokens
        try:
            wait_for("every whole answer to be billed", settled, SETTLED_SECONDS)
            once = billed(factory, "output_tokens")
        except Failed as late:
            once = f"{late}: {billed(factory, 'output_tokens')}"
        # One that was cut may have produced tokens too: billed for what was produced, 16 at most.
        report.claim("each whole answer is billed exactly once",
                     isinstance(once, int) and client.tokens <= once
                     <= client.tokens + 16 * client.broken, f"{client.tokens} seen, {once} billed")
        balance = factory.ask("ledger", "check")
        report.claim("the ledger balances", balance["balanced"], balance)
        status, totals = factory.rated_anew("demo")
        report.claim("an independent rating gives the same statement", status == 0, totals)
        chain = factory.run("audit", "verify")
        report.claim("the journal's chain is whole", chain.returncode == 0, chain.stdout)
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
