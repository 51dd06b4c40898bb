"""The language of scenes, by tables."""

import pathlib
import sys
import unittest

import script

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

ID = "wl_01HZY3V9K2M4N5P6Q7R8S9T0VW"
SCENE = f"""# What it shows.

$ bessemer one
first   line
<id:job>

# a remark
$ bessemer two \\
  more
...
[3]
"""


class Language(unittest.TestCase):
    def test_a_scene_reads_and_writes_as_it_was(self):
        parts = script.parse(SCENE)
        self.assertEqual(script.render(parts), SCENE)
        steps = [part for part in parts if isinstance(part, script.Step)]
        self.assertEqual([(step.command, step.expected, step.status) for step in steps],
                         [("bessemer one", ["first   line", "<id:job>"], 0),
                          ("bessemer two \\\n  more", ["..."], 3)])

    def test_output_before_a_command_is_malformed(self):
        with self.assertRaises(script.Malformed):
            script.parse("# a\noutput\n")

    def test_what_matches(self):
        for expected, got, matches in [
                (["a"], ["a"], True), (["a"], ["b"], False), (["a"], [], False),
                ([], ["a"], False), ([], [], True),
                (["<number> of <number>"], ["3 of 1,000"], True),
                (["<number>"], ["three"], False),
                (["NAME  STATE"], ["NAME        STATE"], True),
                (["NAME STATE"], ["NAME  STATE"], False),
                (["<id>"], [ID], True), (["<id>"], ["wl_"], False),
                (["at <time>"], ["at 2026-01-31T08:00:00.25Z"], True),
                (["took <span>"], ["took 1m3s"], True), (["took <span>"], ["took long"], False),
                (["..."], [], True), (["...", "b"], ["a", "a", "b"], True),
                (["...", "b"], ["a", "a"], False), (["a", "...", "c", "..."], ["a", "c"], True),
                (["a.c"], ["abc"], False), (["<unheard>"], ["<unheard>"], True)]:
            self.assertEqual(script.match(expected, got, {}) is None, matches, (expected, got))

    def test_captures_are_used_again(self):
        captured = {}
        self.assertIsNone(script.match(["made <id:job>", "<job> runs"],
                                       [f"made {ID}", f"{ID} runs"], captured))
        self.assertEqual(captured, {"job": ID})
        self.assertEqual(script.substitute("show <job> <id>", captured), f"show {ID} <id>")
        self.assertIsNotNone(script.match(["<job>"], [ID.replace("1", "2")], captured))

    def test_a_failed_match_captures_nothing(self):
        captured = {}
        script.match(["<id:job>", "x"], [ID, "y"], captured)
        self.assertEqual(captured, {})

    def test_update_keeps_what_matches_and_generalises_the_rest(self):
        self.assertEqual(
            script.rewrite(["<id:job>", "old"], [ID, f"new {ID} {'a' * 64} 2026-01-31T08:00:00Z"], {}),
            ["<id:job>", "new <job> <digest> <time>"])
        self.assertEqual(script.rewrite(["..."], ["a", "b"], {}), ["..."])


if __name__ == "__main__":
    tap.main()
