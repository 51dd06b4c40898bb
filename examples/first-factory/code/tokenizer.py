"""Byte-pair encoding: any text becomes tokens and back, exactly.

Tokens 0..255 are the bytes, 256 ends a text, each further one joins two earlier ones. A text of n
bytes is never more than n tokens.
"""

import collections
import functools
import heapq
import json
import re

END = 256
_FIRST_MERGE = 257
_PIECE = re.compile(rb" ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+")


class Tokenizer:
    def __init__(self, merges):
        """`merges`: pairs of earlier tokens, in order of rank."""
        self.merges = [tuple(pair) for pair in merges]
        self.rank = {pair: index for index, pair in enumerate(self.merges)}
        self.bytes = [bytes([value]) for value in range(256)] + [b""]
        for left, right in self.merges:
            self.bytes.append(self.bytes[left] + self.bytes[right])
        self._piece = functools.lru_cache(maxsize=65536)(self._encode_piece)

    @property
    def size(self):
        return len(self.bytes)

    def _encode_piece(self, piece):
        tokens = list(piece)
        while len(tokens) > 1:
            rank, at = min((self.rank.get(pair, len(self.merges)), index)
                           for index, pair in enumerate(zip(tokens, tokens[1:])))
            if rank == len(self.merges):
                break
            tokens[at:at + 2] = [_FIRST_MERGE + rank]
        return tuple(tokens)

    def encode(self, text):
        """The tokens of a text (str)."""
        return [token for piece in _PIECE.findall(text.encode()) for token in self._piece(piece)]

    def decode(self, tokens):
        """The bytes that these tokens stand for; they may end inside a character."""
        return b"".join(self.bytes[token] for token in tokens)

    def to_json(self):
        return json.dumps({"format": "byte-pair", "end": END, "merges": self.merges})

    @staticmethod
    def from_json(text):
        return Tokenizer(json.loads(text)["merges"])


def learn(text, size):
    """A tokenizer of `size` tokens for this text: joins the most frequent pair, again and again.

    Equal counts are decided by the pair itself, so that the same text gives the same tokenizer.
    """
    words = [(list(piece), count)
             for piece, count in collections.Counter(_PIECE.findall(text.encode())).items()]
    counts, where = collections.Counter(), collections.defaultdict(set)
    for index, (tokens, count) in enumerate(words):
        for pair in zip(tokens, tokens[1:]):
            counts[pair] += count
            where[pair].add(index)
    queue = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(queue)
    merges = []
    while queue and _FIRST_MERGE + len(merges) < size:
        count, best = heapq.heappop(queue)
        if -count != counts[best] or count == 0:
            continue  # an outdated entry: the pair was counted anew
        merges.append(best)
        for pair in _join(words, where, counts, best, _FIRST_MERGE + len(merges) - 1):
            heapq.heappush(queue, (-counts[pair], pair))
    return Tokenizer(merges)


def _join(words, where, counts, best, joined):
    """Replaces the pair `best` by the token `joined` everywhere; returns the pairs whose count changed."""
    changed = set()
    for index in sorted(where.pop(best)):
        tokens, count = words[index]
        for pair in zip(tokens, tokens[1:]):
            counts[pair] -= count
            changed.add(pair)
        at = 0
        while at + 1 < len(tokens):
            if (tokens[at], tokens[at + 1]) == best:
                tokens[at:at + 2] = [joined]
            at += 1
        for pair in zip(tokens, tokens[1:]):
            counts[pair] += count
            where[pair].add(index)
            changed.add(pair)
    changed.discard(best)
    counts.pop(best, None)
    return sorted(changed)
