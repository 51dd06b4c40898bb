"""The language of scenes: reading a file, matching what a command printed, writing it anew."""

import dataclasses
import re

# Each kind of placeholder: what it matches. The order is that in which --update tries them.
KINDS = {
    "digest": r"(?:sha256:)?[0-9a-f]{64}",
    "key": r"bsm_[0-9A-Za-z_]{16,}",
    "id": r"[a-z]+_[0-9A-HJKMNP-TV-Z]{26}",
    "time": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?",
    "span": r"(?:\d+(?:\.\d+)?(?:d|h|ms|us|ns|m|s))+",
    "size": r"\d+(?:\.\d+)? ?(?:B|KiB|MiB|GiB|kB|MB|GB|bytes)",
    "number": r"-?\d[\d,]*(?:\.\d+)?",
    "word": r"\S+",
    "any": r".*?",
}
GENERALISED = ("digest", "key", "id", "time")  # what --update replaces by itself
PLACEHOLDER = re.compile(r"<([a-z_]+)(?::([a-z_0-9]+))?>")
STATUS = re.compile(r"^\[(\d+)\]$")


class Malformed(Exception):
    """A scene that cannot be read: says the line."""


@dataclasses.dataclass
class Step:
    line: int              # of the command, counted from 1
    command: str
    expected: list         # lines
    status: int = 0
    trailing_blanks: int = 0


def parse(text):
    """(remarks and steps in their order): a remark is a str, a step a Step."""
    parts, lines, at = [], text.splitlines(), 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("$ "):
            step = Step(at + 1, line[2:], [])
            while step.command.endswith("\\") and at + 1 < len(lines):
                at += 1
                step.command += "\n" + lines[at]
            parts.append(step)
        elif line.startswith("#") and (not parts or isinstance(parts[-1], str)
                                       or not parts[-1].expected or parts[-1].expected[-1] == ""
                                       or STATUS.match(parts[-1].expected[-1])):
            parts.append(line)
        elif parts and isinstance(parts[-1], Step):
            parts[-1].expected.append(line)
        elif line.strip():
            raise Malformed(f"line {at + 1}: output before any command")
        else:
            parts.append("")
        at += 1
    for step in (part for part in parts if isinstance(part, Step)):
        while step.expected and not step.expected[-1].strip():
            step.expected.pop()
            step.trailing_blanks += 1
        if step.expected and STATUS.match(step.expected[-1]):
            step.status = int(STATUS.match(step.expected.pop()).group(1))
    return parts


def render(parts):
    """The text of a scene: parse(render(parts)) == parts."""
    lines = []
    for part in parts:
        if isinstance(part, str):
            lines.append(part)
            continue
        lines += ("$ " + part.command).split("\n")
        lines += part.expected
        if part.status:
            lines.append(f"[{part.status}]")
        lines += [""] * part.trailing_blanks
    return "\n".join(lines) + "\n"


def substitute(text, captured):
    """Replaces <name> by what was captured under that name; leaves other placeholders."""
    return PLACEHOLDER.sub(
        lambda found: captured.get(found.group(1), found.group(0))
        if found.group(2) is None else found.group(0), text)


def _pattern(line, captured):
    """The regular expression of an expected line, and the names it captures."""
    out, at, names = [], 0, []

    def literal(text):
        # Tables align by content: a run of blanks matches any run of blanks.
        pieces = re.split(r" {2,}", text)
        return r" +".join(re.escape(piece) for piece in pieces)

    for found in PLACEHOLDER.finditer(line):
        kind, name = found.groups()
        out.append(literal(line[at:found.start()]))
        at = found.end()
        if name is None and kind in captured:
            out.append(re.escape(captured[kind]))
        elif kind not in KINDS:
            out.append(re.escape(found.group(0)))
        elif name is None:
            out.append(f"(?:{KINDS[kind]})")
        elif name in names:
            out.append(f"(?P={name})")
        else:
            out.append(f"(?P<{name}>{KINDS[kind]})")
            names.append(name)
    out.append(literal(line[at:]))
    return re.compile("".join(out) + r" *$")


def match_line(expected, got, captured):
    """The captures of a line that matches (captured is not changed), else None."""
    found = _pattern(expected, captured).match(got)
    return found.groupdict() if found else None


def match(expected, got, captured):
    """Whether all lines match. On success captured grows; else the first line that differs is said."""
    # states[i]: captures after the lines so far matched expected[:i]
    def closure(states):
        for index, line in enumerate(expected):
            if line == "..." and index in states:
                states.setdefault(index + 1, states[index])
        return states

    states = closure({0: dict(captured)})
    for number, line in enumerate(got):
        following = {}
        for index, names in states.items():
            if index < len(expected):
                if expected[index] == "...":
                    following.setdefault(index, names)
                    continue
                found = match_line(expected[index], line, names)
                if found is not None:
                    following.setdefault(index + 1, {**names, **found})
        if not following:
            wanted = sorted(expected[index] if index < len(expected) else "(nothing more)"
                            for index in states)
            return f"line {number + 1} of the output: expected {' or '.join(wanted)!r}, got {line!r}"
        states = closure(following)
    if len(expected) not in states:
        missing = expected[max(states)]
        return f"the output ended before {missing!r}"
    captured.update(states[len(expected)])
    return None


def generalise(line, captured):
    """A line as a scene would write it: captures by name, ids, digests and times by kind."""
    for name, value in sorted(captured.items(), key=lambda item: -len(item[1])):
        line = line.replace(value, f"<{name}>")
    for kind in GENERALISED:
        line = re.sub(rf"(?<![\w<:]){KINDS[kind]}(?!\w)", f"<{kind}>", line)
    return line


def rewrite(expected, got, captured):
    """The lines that --update puts in place: those still matching stay as they were written."""
    if match(expected, got, captured) is None:
        return expected
    lines = []
    for index, line in enumerate(got):
        kept = expected[index] if index < len(expected) else None
        found = match_line(kept, line, captured) if kept not in (None, "...") else None
        if found is None:
            lines.append(generalise(line, captured))
        else:
            captured.update(found)
            lines.append(kept)
    return lines
