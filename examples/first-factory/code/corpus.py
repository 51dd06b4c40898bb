"""Reads a part of the dataset: chapters as text, one verse a line."""

import itertools
import json


def chapters(folder, part):
    """The texts of the chapters of "train" or "held", in order."""
    with open(folder / f"{part}.jsonl", encoding="utf-8") as file:
        verses = [json.loads(line) for line in file]
    return ["".join(verse["text"] + "\n" for verse in group) for _, group in
            itertools.groupby(verses, key=lambda verse: (verse["book"], verse["chapter"]))]


def tokens(texts, tokenizer, end):
    """One list of tokens: each text followed by the end token."""
    stream = []
    for text in texts:
        stream += tokenizer.encode(text)
        stream.append(end)
    return stream
