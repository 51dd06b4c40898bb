"""The model as it is trained: a small transformer of the Llama family, in PyTorch.

Root-mean-square norms before each block, rotary positions, SwiGLU, tied embeddings. The tensors
carry the names that Llama models have elsewhere (model.layers.0.self_attn.q_proj.weight ...).
"""

import math

import torch
from torch import nn
from torch.nn import functional


class Norm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.epsilon) * self.weight


def rotation(length, width, base):
    """Cosines and sines of the rotary positions: two arrays of shape (length, width / 2)."""
    speeds = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(length, dtype=torch.float64)[:, None] * speeds
    return angles.cos().float(), angles.sin().float()


def rotate(x, cosines, sines):
    low, high = x.chunk(2, dim=-1)
    return torch.cat((low * cosines - high * sines, high * cosines + low * sines), dim=-1)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, width = config["num_attention_heads"], config["hidden_size"]
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nn.Linear(width, width, bias=False))

    def forward(self, x, cosines, sines, mask):
        batch, length, width = x.shape
        q, k, v = (project(x).view(batch, length, self.heads, -1).transpose(1, 2)
                   for project in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, cosines, sines), rotate(k, cosines, sines)
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) + mask
        mixed = torch.softmax(scores, dim=-1) @ v
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, width))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, epsilon = config["hidden_size"], config["rms_norm_eps"]
        self.input_layernorm = Norm(width, epsilon)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = Norm(width, epsilon)
        self.mlp = FeedForward(config)

    def forward(self, x, cosines, sines, mask):
        x = x + self.self_attn(self.input_layernorm(x), cosines, sines, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Transformer(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, length = config["hidden_size"], config["max_position_embeddings"]
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(config["vocab_size"], width),
            "layers": nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"])),
            "norm": Norm(width, config["rms_norm_eps"]),
        })
        cosines, sines = rotation(length, width // config["num_attention_heads"],
                                  config["rope_theta"])
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)
        mask = torch.full((length, length), float("-inf")).triu(1)
        self.register_buffer("mask", mask, persistent=False)
        self._begin(config["num_hidden_layers"])

    def _begin(self, depth):
        """First weights: small, and smaller where a layer writes to the stream that all share."""
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                shared = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * depth) if shared else 0.02)

    def forward(self, tokens):
        """Scores of each next token: (batch, length, vocabulary) for tokens (batch, length)."""
        length = tokens.shape[1]
        x = self.model["embed_tokens"](tokens)
        for layer in self.model["layers"]:
            x = layer(x, self.cosines[:length], self.sines[:length], self.mask[:length, :length])
        return functional.linear(self.model["norm"](x), self.model["embed_tokens"].weight)
