"""Generates text for many callers at once: each step advances every running text by one token."""

import asyncio
import dataclasses

import numpy

import inference
import tokenizer

MAX_RUNNING = 16
MAX_WAITING = 256


class Overloaded(Exception):
    """More callers are waiting than the engine takes."""


@dataclasses.dataclass(frozen=True)
class Sampling:
    max_tokens: int
    temperature: float
    top_p: float
    seed: int | None


@dataclasses.dataclass(eq=False)
class _Job:
    sequence: inference.Sequence
    tokens: list           # what the model reads at the next step
    sampling: Sampling
    random: numpy.random.Generator
    left: int              # how many tokens it may still produce
    produced: asyncio.Queue = dataclasses.field(default_factory=asyncio.Queue)


def choose(scores, sampling, random):
    """The next token: the best one at temperature 0, else drawn from the smallest likely set."""
    if sampling.temperature == 0:
        return int(scores.argmax())
    scaled = (scores - scores.max()).astype(numpy.float64) / sampling.temperature
    chances = numpy.exp(scaled)
    chances /= chances.sum()
    order = numpy.argsort(-chances, kind="stable")
    running = numpy.cumsum(chances[order])
    kept = order[:int(numpy.searchsorted(running, sampling.top_p * running[-1])) + 1]
    bounds = numpy.cumsum(chances[kept])
    place = int(numpy.searchsorted(bounds, random.random() * bounds[-1], side="right"))
    return int(kept[min(place, len(kept) - 1)])


class Engine:
    def __init__(self, model):
        self.model = model
        self._running, self._waiting = [], []
        self._wake = asyncio.Event()

    async def run(self):
        """The loop; between two steps the server reads and writes."""
        while True:
            if not self._running and not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            while self._waiting and len(self._running) < MAX_RUNNING:
                self._running.append(self._waiting.pop(0))
            self._step()
            await asyncio.sleep(0)

    def _step(self):
        states = self.model.advance([(job.sequence, job.tokens) for job in self._running])
        ends = numpy.cumsum([len(job.tokens) for job in self._running]) - 1
        for job, scores in zip(list(self._running), self.model.scores(states[ends])):
            token = choose(scores, job.sampling, job.random)
            job.tokens = [token]
            job.left -= 1
            job.produced.put_nowait(token)
            full = job.sequence.length >= self.model.context
            if token == tokenizer.END or full or job.left == 0:
                self._running.remove(job)
                job.produced.put_nowait(None)

    async def generate(self, prompt, sampling):
        """Yields tokens until the end token (yielded too), max_tokens or a full context.

        Closing the generator stops the work at once.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded
        job = _Job(inference.Sequence(self.model), list(prompt), sampling,
                   numpy.random.default_rng(sampling.seed), sampling.max_tokens)
        self._waiting.append(job)
        self._wake.set()
        try:
            while (token := await job.produced.get()) is not None:
                yield token
        finally:
            for jobs in (self._running, self._waiting):
                if job in jobs:
                    jobs.remove(job)

    def embed(self, tokens):
        """The mean of the text's last states, at length one."""
        states = self.model.advance([(inference.Sequence(self.model), tokens)])
        mean = states.mean(0)
        return mean / max(float(numpy.linalg.norm(mean)), 1e-12)
