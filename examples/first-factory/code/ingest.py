"""Step "extract": real text from a Debian package becomes a dataset with a fixed split.

The King James translation of 1611 (package bible-kjv-text, read by the program of bible-kjv) is in
the public domain. Whole chapters go to one side of the split, chosen by a digest of their name:
a held-back verse never has its neighbours among the training text.

Outputs "dataset": train.jsonl, held.jsonl, a verse a line; "about": counts, digests, licence.
"""

import collections
import hashlib
import json
import re
import subprocess

import task

VERSE = re.compile(r"^([1-3]?[A-Za-z]+)(\d+):(\d+) (.+)$")
BOOKS, CHAPTERS, VERSES = 66, 1189, 31102
HELD_OF_256 = 13  # about one chapter in twenty is held back

LICENCE = """The text is the King James translation of the Bible, first printed in 1611.
Its copyright has expired; it is in the public domain (in the United Kingdom rights in
printing it rest with the Crown). It is read from the Debian package bible-kjv-text, whose notice
is in /usr/share/doc/bible-kjv-text/copyright.
"""


def read_verses():
    try:
        text = subprocess.run(["/usr/bin/bible", "-f", "gen1:1-rev22:21"], check=True, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        task.refuse(f"cannot read the text: {error}; install bible-kjv and bible-kjv-text")
    for number, line in enumerate(text.splitlines(), 1):
        match = VERSE.match(line)
        if not match:
            task.refuse(f"line {number} is not a verse: {line[:60]!r}")
        book, chapter, verse, words = match.groups()
        yield {"book": book, "chapter": int(chapter), "verse": int(verse), "text": words.strip()}


def is_held(verse):
    name = f"{verse['book']} {verse['chapter']}".encode()
    return hashlib.sha256(name).digest()[0] < HELD_OF_256


def validate(verses):
    """Counts that every complete copy of this text has, and no verse twice."""
    places = {(v["book"], v["chapter"], v["verse"]) for v in verses}
    found = (len({v["book"] for v in verses}), len({(v["book"], v["chapter"]) for v in verses}),
             len(verses))
    if found != (BOOKS, CHAPTERS, VERSES) or len(places) != VERSES:
        task.refuse(f"expected {BOOKS} books, {CHAPTERS} chapters and {VERSES} verses, found {found}")


def main():
    options = task.parameters({"books": 0})
    verses = list(read_verses())
    validate(verses)
    if options["books"] > 0:  # a small dataset for quick trials: the first books only
        kept = list(dict.fromkeys(v["book"] for v in verses))[:options["books"]]
        verses = [v for v in verses if v["book"] in kept]
    folder = task.output_folder("dataset")
    about = {"source": "Debian package bible-kjv-text", "licence": "public domain",
             "split": f"sha256('book chapter')[0] < {HELD_OF_256} is held back", "parts": {}}
    parts = collections.defaultdict(list)
    for verse in verses:
        parts["held" if is_held(verse) else "train"].append(verse)
    for name in ("train", "held"):
        content = "".join(json.dumps(verse) + "\n" for verse in parts[name]).encode()
        (folder / f"{name}.jsonl").write_bytes(content)
        about["parts"][name] = {"verses": len(parts[name]), "bytes": len(content),
                                "sha256": hashlib.sha256(content).hexdigest()}
        task.report(**{f"{name}_verses": len(parts[name]), f"{name}_bytes": len(content)})
    beside = task.output_folder("about")
    (beside / "about.json").write_text(json.dumps(about, indent=2) + "\n")
    (beside / "LICENCE").write_text(LICENCE)
    print(f"ingested {len(verses)} verses: {len(parts['train'])} to train, "
          f"{len(parts['held'])} held back")


if __name__ == "__main__":
    main()
