"""What is served is what was trained: both arithmetics of the language model give the same scores."""

import json
import pathlib
import sys
import tempfile
import unittest

from fake_task import ROOT

sys.path[:0] = [str(ROOT / "tests" / "run"), str(ROOT / "examples" / "first-factory" / "code")]
import tap

import numpy
import torch

import inference
import tokenizer
import weights
from train import DEFAULTS, configuration
from transformer import Transformer

TEXT = "And God said, Let there be light: and there was light.\n"


class Arithmetic(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)
        options = {**DEFAULTS, "vocabulary": 300, "width": 48, "layers": 3, "heads": 2,
                   "context": 32}
        self.trained = Transformer(configuration(options))
        with torch.no_grad():  # as after long training: far from the first, small weights
            for weight in self.trained.parameters():
                weight.mul_(4 if weight.dim() == 2 else 1.3)
        encoding = tokenizer.learn(TEXT * 3, 300)
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            arrays = {name: weight.detach().numpy()
                      for name, weight in self.trained.named_parameters()}
            (folder / "model.safetensors").write_bytes(weights.pack(arrays))
            (folder / "config.json").write_text(json.dumps(configuration(options)))
            (folder / "tokenizer.json").write_text(encoding.to_json())
            self.served = inference.Model(folder)
        self.tokens = self.served.tokenizer.encode(TEXT)

    def wanted(self, tokens):
        return self.trained(torch.tensor([tokens]))[0].detach().numpy()

    def close(self, got, wanted):
        self.assertLess(float(numpy.abs(got - wanted).max()), 1e-4 * float(numpy.abs(wanted).max()))

    def advance(self, work):
        return self.served.scores(self.served.advance(work))

    def test_a_text_at_once(self):
        got = self.advance([(inference.Sequence(self.served), self.tokens)])
        self.close(got, self.wanted(self.tokens))

    def test_token_by_token_and_in_company(self):
        one, other = inference.Sequence(self.served), inference.Sequence(self.served)
        wanted, reverse = self.wanted(self.tokens), list(reversed(self.tokens))
        self.advance([(one, self.tokens[:4])])
        for at in range(4, len(self.tokens)):
            got = self.advance([(one, self.tokens[at:at + 1]), (other, reverse[at - 4:at - 3])])
            self.close(got[0], wanted[at])
            self.close(got[1], self.wanted(reverse[:at - 3])[-1])

    def test_a_full_context_is_refused_before_anything_changes(self):
        sequence = inference.Sequence(self.served)
        self.served.advance([(sequence, [1] * self.served.context)])
        with self.assertRaises(inference.Full):
            self.served.advance([(sequence, [1])])
        self.assertEqual(sequence.length, self.served.context)

    def test_any_text_survives_the_tokenizer(self):
        for text in ("", "a", TEXT, "héllo  wörld ☃\n\n\tx 12,000", "\x00\U0010ffff"):
            tokens = self.served.tokenizer.encode(text)
            self.assertEqual(self.served.tokenizer.decode(tokens).decode(), text)
            self.assertLessEqual(len(tokens), len(text.encode()))


if __name__ == "__main__":
    tap.main()
