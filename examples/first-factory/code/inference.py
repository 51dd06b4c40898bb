"""The model as it is evaluated and served: the same arithmetic in NumPy alone, with a cache.

It starts in a fraction of a second and needs no training library. One call advances any number of
sequences at once, each by any number of tokens: the matrix products are shared by all of them,
only the attention is each sequence's own.
"""

import json
import math

import numpy

import tokenizer
import weights


class Full(Exception):
    """A sequence would grow beyond the model's context."""


class Sequence:
    """What the model remembers of one text: keys and values of each layer."""

    def __init__(self, model):
        shape = (model.depth, model.heads, model.context, model.head_width)
        self.keys = numpy.empty(shape, numpy.float32)
        self.values = numpy.empty(shape, numpy.float32)
        self.length = 0


class Model:
    def __init__(self, folder):
        """Loads config.json, tokenizer.json and model.safetensors of a folder."""
        config = json.loads((folder / "config.json").read_text())
        arrays, _ = weights.unpack((folder / "model.safetensors").read_bytes())
        self.name = config["name"]
        self.tokenizer = tokenizer.Tokenizer.from_json((folder / "tokenizer.json").read_text())
        self.context = config["max_position_embeddings"]
        self.heads, self.depth = config["num_attention_heads"], config["num_hidden_layers"]
        self.width = config["hidden_size"]
        self.head_width = self.width // self.heads
        self.epsilon = numpy.float32(config["rms_norm_eps"])
        self.embedding = arrays["model.embed_tokens.weight"]
        self.scorer = numpy.ascontiguousarray(self.embedding.T)
        self.norm = arrays["model.norm.weight"]
        self.layers = [self._layer(arrays, f"model.layers.{index}.") for index in range(self.depth)]
        half = self.head_width // 2
        speeds = config["rope_theta"] ** (-numpy.arange(half) / half)
        angles = numpy.arange(self.context)[:, None] * speeds
        self.cosines = numpy.cos(angles).astype(numpy.float32)
        self.sines = numpy.sin(angles).astype(numpy.float32)

    @staticmethod
    def _layer(arrays, prefix):
        """The layer's matrices, turned so that rows multiply them, and joined where they share input."""
        def matrix(*names):
            return numpy.ascontiguousarray(
                numpy.concatenate([arrays[f"{prefix}{name}.weight"] for name in names]).T)
        return {
            "norm_in": arrays[prefix + "input_layernorm.weight"],
            "qkv": matrix("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            "out": matrix("self_attn.o_proj"),
            "norm_mid": arrays[prefix + "post_attention_layernorm.weight"],
            "gate_up": matrix("mlp.gate_proj", "mlp.up_proj"),
            "down": matrix("mlp.down_proj"),
        }

    def _normed(self, x, weight):
        mean = numpy.einsum("ij,ij->i", x, x)[:, None] / numpy.float32(x.shape[1])
        return x / numpy.sqrt(mean + self.epsilon) * weight

    def _rotated(self, x, begin):
        """x: (heads, tokens, head width), the first token at position `begin`."""
        cosines, sines = (table[begin:begin + x.shape[1]] for table in (self.cosines, self.sines))
        low, high = numpy.split(x, 2, axis=-1)
        return numpy.concatenate((low * cosines - high * sines, high * cosines + low * sines), -1)

    def _attend(self, sequence, index, qkv):
        """Attention of a sequence's new tokens to all of its tokens so far; grows its cache."""
        count, begin = len(qkv), sequence.length
        q, k, v = qkv.reshape(count, 3, self.heads, self.head_width).transpose(1, 2, 0, 3)
        end = begin + count
        sequence.keys[index, :, begin:end] = self._rotated(k, begin)
        sequence.values[index, :, begin:end] = v
        scores = self._rotated(q, begin) @ sequence.keys[index, :, :end].transpose(0, 2, 1)
        scores /= numpy.float32(math.sqrt(self.head_width))
        if count > 1:
            scores += numpy.triu(numpy.full((count, end), -numpy.inf, numpy.float32), begin + 1)
        scores -= scores.max(-1, keepdims=True)
        numpy.exp(scores, out=scores)
        scores /= scores.sum(-1, keepdims=True)
        mixed = scores @ sequence.values[index, :, :end]
        return mixed.transpose(1, 0, 2).reshape(count, self.width)

    def advance(self, work):
        """Advances each (sequence, new tokens) of `work`; returns the last states, a row a token.

        Raises Full, before anything has changed, when a sequence has no room for its tokens.
        """
        spans, at = [], 0
        for sequence, tokens in work:
            if sequence.length + len(tokens) > self.context:
                raise Full(f"the model's context is {self.context} tokens")
            spans.append(slice(at, at + len(tokens)))
            at += len(tokens)
        x = self.embedding[[token for _, tokens in work for token in tokens]]
        for index, layer in enumerate(self.layers):
            qkv = self._normed(x, layer["norm_in"]) @ layer["qkv"]
            mixed = [self._attend(sequence, index, qkv[span])
                     for (sequence, _), span in zip(work, spans)]
            x = x + numpy.concatenate(mixed) @ layer["out"]
            gate, up = numpy.split(self._normed(x, layer["norm_mid"]) @ layer["gate_up"], 2, axis=1)
            x = x + (gate / (1 + numpy.exp(-gate)) * up) @ layer["down"]
        for sequence, tokens in work:
            sequence.length += len(tokens)
        return self._normed(x, self.norm)

    def scores(self, states):
        """For each row of states, the score of every possible next token."""
        return states @ self.scorer
