"""The tests of money that decide, with real processes: daemons, gateways, replicas, kill -9, SIGSTOP.

Three factories run side by side, for the price of $0.10 takes effect a minute after it is published
and a lease is over after one: in that minute one factory's gateway is stopped in its sleep, and
another factory is tormented. Usage: deciding.py [SEED]; the moments of the kills are drawn from it.
"""

import asyncio
import collections
import concurrent.futures
import datetime
import json
import os
import pathlib
import random
import resource
import signal
import sys
import time

import load
from factory import ROOT, Factory, Failed, wait_for
from kills import Report

ENGINE = ROOT / "tests" / "factory" / "engine"
REQUESTS = 1000
SERVED = 50                  # $5.00 at $0.10
FIRST_PRICE = "0.0005 USD"   # a budget for 50 requests at a new factory's price
NOTICE_SECONDS = 60          # of a price
LEASE_SECONDS = 60
TORMENT_SECONDS = 40
CLIENTS = 8
SETTLED_SECONDS = 60


class World:
    """A factory with endpoints on test engines: `fixed` by the request, for everybody; `talk` by the
    token; `short` of a model whose labels say how little it can take."""

    def __init__(self, gateways):
        self.factory = Factory({"gateways": gateways, "simulated_accelerators": []})
        self.gateways = gateways
        self.factory.start()
        do = self.factory.do
        for path in ("acme", "acme/serving"):
            do("org", "create", path)
        code = do("artifact", "push", ENGINE, "-p", "acme/serving").split()[0]
        short = {"context-tokens": "40", "max-output-tokens": "20"}
        for name, protocol, labels, billing in (("fixed", "v2", {}, "published"),
                                                ("talk", "openai", {}, "shared"),
                                                ("short", "openai", short, "shared")):
            do("apply", "-f", "-", stdin=json.dumps({
                "kind": "endpoint", "in": "acme/serving", "name": name, "protocol": protocol,
                "billing": billing, "replicas": 1,
                "health": {"path": "/health", "interval": "1s", "startup": "30s"},
                "workload": {
                    "kind": "service", "code": code,
                    "command": ["/usr/bin/python3", "/bessemer/code/engine.py"],
                    "resources": {"cpu_millis": 250, "memory_bytes": 128 << 20},
                    "labels": labels,
                    "service": {"port": 8000, "health_path": "/health"}}}))
        for name in ("fixed", "talk", "short"):
            wait_for(f"the endpoint {name}", lambda: self.factory.ask(
                "endpoint", "get", name, "-p", "acme/serving")["ready"] == 1)

    def buyer(self, name, limit):
        """The key of a new project with a budget that ends."""
        self.factory.do("org", "create", f"acme/{name}")
        self.factory.do("budget", "set", "cap", limit, "-p", f"acme/{name}", "--term", "total")
        key = self.factory.ask("key", "create", name, "-p", f"acme/{name}")["secret"]
        self.known(key)
        return key

    def payer(self, name, amount):
        """The key of a new tenant that pays in advance and has no budget."""
        for path in (name, f"{name}/shop"):
            self.factory.do("org", "create", path)
        self.factory.do("wallet", "top-up", amount, "-p", name)
        key = self.factory.ask("key", "create", "buyer", "-p", f"{name}/shop")["secret"]
        self.known(key)
        return key

    def wallet(self, name):
        return self.factory.items("wallet", "list", "-p", name)[0]

    def known(self, key):
        """Returns once every gateway process knows the key."""
        def models():
            return all(asyncio.run(load.call(self.factory.gateway_port, "/v1/models", key, b"",
                                             method="GET")).status == 200
                       for _ in range(4 * self.gateways))
        wait_for("the gateways to know a key", models)

    def publish(self):
        """Publishes $0.10 a request, and all other prices as they are; returns when it is in force."""
        book = self.factory.ask("price", "get", "standard")
        prices = [price for price in book["prices"]
                  if price["meter"] != "requests" and price["sku"] != "included"]
        prices.append({"meter": "requests", "sku": "*", "amount": "0.10 USD", "per": "1"})
        done = self.factory.ask("api", "POST", "/api/v1/price-books", "--data", json.dumps(
            {"name": "standard", "currency": "USD", "prices": prices}))
        at = datetime.datetime.fromisoformat(done["effective_from"].replace("Z", "+00:00"))
        return at.timestamp()

    def pid(self, number):
        """The process of a gateway, or None."""
        try:
            pid = int((self.factory.state / "run" / f"local-{number}.pid").read_text())
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if b"gateway" in words else None

    def records(self):
        """Every record of every usage log: [(gateway, epoch, {kind: body})]."""
        lines = self.factory.do("journal", "usage").splitlines()
        return [(one["gateway"], one["epoch"], one["record"]) for one in map(json.loads, lines)]

    def settled(self):
        """{request: [counts, one for each settlement]} by all logs, and what is still open."""
        holds, requests = {}, collections.defaultdict(list)
        for gateway, epoch, record in self.records():
            (kind, body), = record.items()
            place = gateway, epoch, body.get("hold")
            if kind == "hold_opened":
                holds[place] = body["request"].lower()
            elif kind == "hold_settled":
                requests[holds.pop(place)].append(body)
            elif kind == "hold_voided":
                holds.pop(place)
        return requests, holds

    def at_rest(self):
        """Waits until no hold is open and every counted request is in the books."""
        def rest():
            requests, holds = self.settled()
            return not holds and not self.owed() and requests
        return wait_for("every hold to be resolved", rest, SETTLED_SECONDS)

    def owed(self):
        """Logs of dead gateways that are not counted to their end."""
        return [one for one in self.factory.items("gateway", "list") if one["lease"] != "live"]

    def unsealed(self):
        """Raw logs of gateways' lives that are over."""
        live = {(one["id"], one["epoch"]) for one in self.factory.items("gateway", "list")}
        logs = (self.factory.state / "usage").glob("gw_*/[0-9]*")
        return [str(log) for log in logs if (log.parent.name, int(log.name)) not in live
                and any(log.glob("*.seg*"))]

    def billed(self, path):
        """{meter: quantity} of a project's statement."""
        quantities = collections.Counter()
        for line in self.factory.ask("statement", "-p", path)["lines"]:
            quantities[line["meter"]] += int(line["quantity"])
        return quantities

    def books(self, report, name):
        """The ledger balances, and an independent rating gives the same statement."""
        balance = self.factory.ask("ledger", "check")
        report.claim(f"{name}: the ledger balances", balance["balanced"], balance)
        status, totals = self.factory.rated_anew("acme")
        report.claim(f"{name}: an independent rating gives the same statement", status == 0, totals)


async def buy(world, key, count, after=None):
    """`count` requests at once, without retries. `after(ended)` is called with each."""
    async def one():
        ended = await load.call(world.factory.gateway_port, "/v2/models/fixed/infer", key,
                                {"inputs": [], "id": "slow 20"})
        if after:
            after(ended)
        return ended
    return await asyncio.gather(*[one() for _ in range(count)])


def spend_all(world, key):
    """Asks one by one until the budget is said to be exhausted; returns how each ended."""
    all_ended = []

    def refused():
        all_ended.extend(asyncio.run(buy(world, key, 1)))
        return all_ended[-1].status == 429
    wait_for("the budget to be exhausted", refused, SETTLED_SECONDS)
    return all_ended


def kinds(all_ended):
    return dict(collections.Counter(
        "complete" if ended.complete else ended.status for ended in all_ended))


# ---- the scenes

def exactly_fifty(world, name, report):
    key = world.buyer(name, "5.00 USD")
    started = time.monotonic()
    found = kinds(asyncio.run(buy(world, key, REQUESTS)))
    print(f"# {name}: {found} in {time.monotonic() - started:.1f} s")
    report.claim(f"{name}: exactly 50 of 1,000 are served and 950 refused",
                 found == {"complete": SERVED, 429: REQUESTS - SERVED}, found)
    wait_for("50 to be billed", lambda: world.billed(f"acme/{name}")["requests"] >= SERVED)
    report.claim(f"{name}: 50 are billed", world.billed(f"acme/{name}")["requests"] == SERVED)


def exactly_its_wallet(world, name, report):
    """No budget: what stops a tenant that pays in advance is its wallet, until it is topped up."""
    key = world.payer(name, "5.00 USD")
    found = kinds(asyncio.run(buy(world, key, REQUESTS)))
    print(f"# {name}: {found}")
    report.claim(f"{name}: a wallet of $5.00 serves exactly 50 of 1,000 and refuses 950",
                 found == {"complete": SERVED, 429: REQUESTS - SERVED}, found)
    refused, = asyncio.run(buy(world, key, 1))
    text = refused.body.decode(errors="replace")
    report.claim(f"{name}: the refusal names the wallet and what helps",
                 refused.status == 429 and "the wallet of" in text and "wallet top-up" in text, text)
    wait_for("50 to be billed", lambda: world.billed(name)["requests"] >= SERVED)
    report.claim(f"{name}: the wallet is empty, to the nano, and not overdrawn",
                 world.wallet(name)["balance"] == "0 USD", world.wallet(name))
    job = world.factory.begin(f"{name}/shop", "--", "/bin/true")

    def waits():
        said = world.factory.ask("explain", "refusal", job)["sentence"]
        return said if "wallet" in said else None
    report.claim(f"{name}: a job waits for the wallet and says so",
                 "top the wallet up" in wait_for("the job to be refused", waits))
    world.factory.do("wallet", "top-up", "0.30 USD", "-p", name)
    found = kinds(asyncio.run(buy(world, key, 10)))
    report.claim(f"{name}: $0.30 more serve up to three more, with a job at the same wallet",
                 1 <= found.get("complete", 0) <= 3, found)
    world.factory.do("wallet", "top-up", "10 USD", "-p", name)
    wait_for("the job to run", lambda: world.factory.ask("job", "get", job)["phase"] == "succeeded")
    wait_for("what the job held to be back",
             lambda: world.wallet(name)["held"] == "0 USD")
    found = kinds(asyncio.run(buy(world, key, 8)))
    report.claim(f"{name}: once it is topped up all are served", found == {"complete": 8}, found)


def fifty_with_a_kill(world, name, report, kill_at):
    """kill -9 of a gateway once `kill_at` are complete."""
    key = world.buyer(name, "5.00 USD")
    complete = []

    def look(ended):
        if ended.complete:
            complete.append(ended.request)
            if len(complete) == kill_at:
                os.kill(world.pid(1), signal.SIGKILL)
    all_ended = asyncio.run(buy(world, key, REQUESTS, look))
    print(f"# {name}: {kinds(all_ended)} with the kill")
    in_flight = sum(1 for ended in all_ended if ended.status == 0)
    all_ended += spend_all(world, key)
    world.at_rest()
    requests, _ = world.settled()
    served = {ended.request for ended in all_ended if ended.complete}
    mine = {ended.request for ended in all_ended if ended.request}
    billed = world.billed(f"acme/{name}")["requests"]
    report.claim(f"{name}: 50 are billed in the end", billed == SERVED, billed)
    report.claim(f"{name}: what was answered is billed, once",
                 all(len(requests[one]) == 1 for one in served),
                 [one for one in served if len(requests[one]) != 1])
    lost = billed - len(served)  # settled, and the process killed before the last byte was out
    print(f"# {name}: {len(served)} complete, {lost} settled and not answered, "
          f"{in_flight} calls broken, {len(mine)} with an id")
    report.claim(f"{name}: complete at clients are 50 - d, with d <= in flight",
                 0 <= lost <= in_flight, f"{len(served)} complete, {in_flight} in flight")


def stopped_past_its_lease(world, report):
    """A gateway sleeps longer than its lease lives, and wakes with calls waiting for it."""
    name = "sleeper"
    key = world.buyer(name, FIRST_PRICE)
    first = asyncio.run(buy(world, key, 8))  # both hold leases
    sleeper = world.pid(1)
    os.kill(sleeper, signal.SIGSTOP)
    try:
        async def asleep():
            waiting = [asyncio.ensure_future(buy(world, key, 60))]
            await asyncio.sleep(LEASE_SECONDS - 4)
            os.kill(sleeper, signal.SIGCONT)
            return [one for part in await asyncio.gather(*waiting) for one in part]
        during = asyncio.run(asleep())
    finally:
        os.kill(sleeper, signal.SIGCONT)
    after = asyncio.run(buy(world, key, 100)) + spend_all(world, key)
    world.at_rest()
    served = sum(1 for ended in first + during + after if ended.complete)
    print(f"# sleeper: {kinds(first)} before, {kinds(during)} during, {kinds(after)} after")
    billed = world.billed(f"acme/{name}")["requests"]
    report.claim("a gateway stopped past its lease never overspends",
                 billed == SERVED and served == SERVED, f"{billed} billed, {served} served")

    def used_up():
        spent = world.factory.items("budget", "list", "-p", f"acme/{name}")[0]
        return spent["used_exact"] == spent["limit_exact"] and spent["leased_exact"] == "0"
    wait_for("the sleeper's budget to be used up exactly", used_up)


def bounded_by_the_model(world, report):
    """A budget for what the model can take at most, and not for what the body might ask for."""
    key = world.buyer("brief", "0.00003 USD")  # a request, 40 tokens in, 20 out: 0.000028
    body = {"model": "short", "messages": [{"role": "user", "content": "say 5"}]}
    ended = asyncio.run(load.call(world.factory.gateway_port, "/v1/chat/completions", key, body))
    report.claim("a hold is bounded by what the model can take", ended.complete,
                 f"{ended.status} {ended.body}")


def call_of(moments):
    """A random call: (body, options of load.call)."""
    tokens, slow = moments.randint(1, 40), moments.randint(0, 8)
    text = f"say {tokens} slow {slow}"
    fate = moments.random()
    if fate < 0.08:
        text += " break"
    elif fate < 0.14:
        text += " trouble"
    options = {}
    if 0.14 <= fate < 0.24:
        options["leave_after"] = moments.randint(1, tokens)
    elif fate < 0.30:
        options["gone"] = moments.uniform(0.005, 0.2)
    body = {"model": "talk", "messages": [{"role": "user", "content": text}]}
    if moments.random() < 0.7:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    if moments.random() < 0.5:
        body["max_tokens"] = 64
    return body, options


def usage_of(ended):
    """(input, output) as the answer itself states."""
    if ended.body.startswith(b"data: "):
        events = [line[6:] for line in ended.body.decode().splitlines()
                  if line.startswith("data: ")]
        stated = json.loads(events[-2])["usage"]
    else:
        stated = json.loads(ended.body)["usage"]
    return stated["prompt_tokens"], stated["completion_tokens"]


async def mixed_load(world, key, moments, ended_at, all_ended):
    async def client(own):
        while time.monotonic() < ended_at:
            body, options = call_of(own)
            ended = await load.call(world.factory.gateway_port, "/v1/chat/completions", key, body,
                                    **options)
            all_ended.append(ended)
            if ended.status in (0, 503):
                await asyncio.sleep(0.02)
    await asyncio.gather(*[client(random.Random(moments.random())) for _ in range(CLIENTS)])


def kill_at_random(world, moments, ended_at):
    """kill -9 of daemon and gateways; the daemon is started again at once."""
    killed = collections.Counter()
    while time.monotonic() < ended_at:
        time.sleep(moments.uniform(0.3, 2.5))
        victim = moments.choice(["daemon", "gateway", "gateway"])
        if victim == "daemon":
            world.factory.kill()
            world.factory.start()
        else:
            pid = world.pid(moments.randint(1, world.gateways))
            if pid is None:
                continue
            os.kill(pid, signal.SIGKILL)
        killed[victim] += 1
    return killed


def torment(world, report, moments):
    key = world.buyer("mixed", "1000 USD")
    ended_at = time.monotonic() + TORMENT_SECONDS
    all_ended = []
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        calls = pool.submit(asyncio.run, mixed_load(world, key, random.Random(moments.random()),
                                                    ended_at, all_ended))
        killed = kill_at_random(world, moments, ended_at)
        calls.result()
    print(f"# mixed load: {len(all_ended)} calls {kinds(all_ended)}; killed {dict(killed)}")
    world.at_rest()
    requests, holds = world.settled()
    complete = [ended for ended in all_ended if ended.complete]
    report.claim("torment: the endpoint kept answering", len(complete) > 20 * killed.total(),
                 kinds(all_ended))
    report.claim("torment: every hold is resolved", not holds, holds)
    unbilled = [ended.request for ended in complete if not requests.get(ended.request)]
    report.claim("torment: answered but unbilled 0", not unbilled, unbilled)
    twice = [one for one, times in requests.items() if len(times) > 1]
    report.claim("torment: billed twice 0", not twice, twice)

    def counted(ended):
        counts = requests[ended.request][0]["counts"]
        return counts["input"], counts["output"]
    wrong = [(ended.request, usage_of(ended), counted(ended)) for ended in complete
             if ended.request in requests and usage_of(ended) != counted(ended)]
    report.claim("torment: each is billed by what its answer states", not wrong, wrong[:5])
    sums = collections.Counter()
    for (one,) in requests.values():
        sums["input_tokens"] += one["counts"]["input"]
        sums["output_tokens"] += one["counts"]["output"]

    def in_the_books():
        billed = world.billed("acme/mixed")
        return all(billed[meter] == sums[meter] for meter in sums)
    try:
        wait_for("the statement to hold every settlement", in_the_books, 20)
    except Failed:
        pass
    report.claim("torment: the statement is the sum of the logs", in_the_books(),
                 f"{sums} in the logs, {world.billed('acme/mixed')} billed")
    try:
        wait_for("what is over to be sealed", lambda: not world.unsealed(), SETTLED_SECONDS)
    except Failed:
        pass
    report.claim("torment: logs that are over are sealed", not world.unsealed(), world.unsealed())
    report.claim("torment: what is sealed is what was there", world.settled()[0] == requests)
    verified = world.factory.run("journal", "verify")
    report.claim("torment: chain and sealed usage are as the journal states them",
                 verified.returncode == 0 and " 0 sealed" not in verified.stdout,
                 verified.stdout + verified.stderr)
    spent = world.factory.items("budget", "list", "-p", "acme/mixed")[0]
    report.claim("torment: nothing stays held", spent["held_exact"] == "0", spent)
    world.books(report, "torment")


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else random.SystemRandom().randrange(10**6)
    print(f"# seed {seed}", flush=True)
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    moments, report, worlds = random.Random(seed), Report(), []
    try:
        for gateways in (1, 2, 2):
            worlds.append(World(gateways))
        one, two, asleep = worlds
        in_force = max(one.publish(), two.publish())
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sleeping = pool.submit(stopped_past_its_lease, asleep, report)
            bounded_by_the_model(one, report)
            torment(two, report, moments)
            sleeping.result()
        time.sleep(max(0, in_force + 1 - time.time()))
        exactly_fifty(one, "alone", report)
        exactly_its_wallet(one, "prepaid", report)
        fifty_with_a_kill(one, "alone-killed", report, moments.randint(5, 30))
        exactly_fifty(two, "pair", report)
        exactly_its_wallet(two, "prepaid", report)
        fifty_with_a_kill(two, "pair-killed", report, moments.randint(5, 30))
        for world, name in ((one, "alone"), (two, "pair"), (asleep, "sleeper")):
            world.books(report, name)
    except BaseException:
        for world in worlds:
            print("\n".join("# " + line for line in world.factory.log().splitlines()[-40:]))
        raise
    finally:
        for world in worlds:
            world.factory.remove()
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
