"""Step "train": learns a small language model from the dataset.

Input "dataset"; output "model": model.safetensors, config.json, tokenizer.json. After a kill it goes
on from its last checkpoint and ends with the same weights as if it had never stopped: the batch
of a step depends on seed and step alone.
"""

import json
import math
import signal
import time

import task

task.use_threads(task.cpus())

import numpy
import torch
from torch.nn import functional

import corpus
import tokenizer
import weights
from transformer import Transformer

DEFAULTS = {
    "seed": 1, "steps": 1000, "batch": 8, "context": 128, "vocabulary": 2048, "width": 192,
    "layers": 4, "heads": 4, "learning_rate": 0.003, "checkpoint_seconds": 10.0,
    "report_steps": 10, "name": "first-factory",
}


def configuration(options):
    """The model's shape, in the words that Llama models use."""
    width, heads = options["width"], options["heads"]
    if width % (2 * heads):
        task.refuse(f"width must be a multiple of {2 * heads}, twice the heads")
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "name": options["name"],
        "vocab_size": options["vocabulary"], "hidden_size": width,
        "intermediate_size": (width * 8 // 3 + 31) // 32 * 32,
        "num_hidden_layers": options["layers"], "num_attention_heads": heads,
        "num_key_value_heads": heads, "max_position_embeddings": 2 * options["context"],
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True,
        "eos_token_id": tokenizer.END, "torch_dtype": "float32",
    }


def batch_of(stream, options, step):
    """The batch of a step: pieces of the text at places drawn from (seed, step)."""
    random = numpy.random.Generator(numpy.random.Philox(key=[options["seed"], step]))
    length = options["context"] + 1
    starts = random.integers(0, len(stream) - length, size=options["batch"])
    rows = torch.from_numpy(numpy.stack([stream[start:start + length] for start in starts]))
    return rows[:, :-1], rows[:, 1:]


def rate_at(options, step):
    """The learning rate: a short rise, then a cosine down to a twentieth."""
    rise = max(1, min(50, options["steps"] // 10))
    if step < rise:
        return options["learning_rate"] * (step + 1) / rise
    done = (step - rise) / max(1, options["steps"] - rise)
    return options["learning_rate"] * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done)))


class Training:
    """Model, optimizer and step: everything that a checkpoint holds."""

    def __init__(self, options, config):
        torch.manual_seed(options["seed"])
        self.options, self.step = options, 0
        self.model = Transformer(config)
        named = dict(self.model.named_parameters())
        matrices = [weight for weight in named.values() if weight.dim() == 2]
        rest = [weight for weight in named.values() if weight.dim() != 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}],
            lr=options["learning_rate"], betas=(0.9, 0.95), foreach=True)
        # What a checkpoint must agree with to be of this same training.
        self.identity = json.dumps(options, sort_keys=True)

    def advance(self, stream):
        """One step; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.options, self.step)
        tokens, wanted = batch_of(stream, self.options, self.step)
        scores = self.model(tokens)
        loss = functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), wanted.reshape(-1))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())

    def arrays(self):
        return {name: weight.detach().numpy() for name, weight in self.model.named_parameters()}

    def save(self, folder):
        arrays = self.arrays()
        for name, weight in self.model.named_parameters():
            for moment in ("exp_avg", "exp_avg_sq"):
                arrays[f"{moment}.{name}"] = self.optimizer.state[weight][moment].numpy()
        metadata = {"step": str(self.step), "identity": self.identity}
        task.replace(folder / "training.safetensors", weights.pack(arrays, metadata))
        task.tell({"checkpoint": {"step": self.step}})

    def resume(self, folder):
        """Takes up the checkpoint, if there is one of this same training."""
        path = folder / "training.safetensors"
        if not path.exists():
            return
        arrays, metadata = weights.unpack(path.read_bytes())
        if metadata.get("identity") != self.identity:
            print("the checkpoint is of another training: starting anew", flush=True)
            return
        self.step = int(metadata["step"])
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                weight.copy_(torch.tensor(arrays[name]))
                self.optimizer.state[weight] = {
                    "step": torch.tensor(float(self.step)),
                    "exp_avg": torch.tensor(arrays[f"exp_avg.{name}"]),
                    "exp_avg_sq": torch.tensor(arrays[f"exp_avg_sq.{name}"])}
        print(f"going on from the checkpoint at step {self.step}", flush=True)


def prepare(options):
    """(tokenizer, the training text as one array of tokens)."""
    texts = corpus.chapters(task.input_folder("dataset"), "train")
    kept = task.checkpoint_folder() / f"tokenizer-{options['vocabulary']}.json"
    if kept.exists():
        encoding = tokenizer.Tokenizer.from_json(kept.read_text())
    else:
        encoding = tokenizer.learn("".join(texts), options["vocabulary"])
        if encoding.size != options["vocabulary"]:
            task.refuse(f"the text gives only {encoding.size} tokens: ask for fewer")
        task.replace(kept, encoding.to_json())
    stream = numpy.array(corpus.tokens(texts, encoding, tokenizer.END), dtype=numpy.int64)
    if len(stream) <= options["context"] + 1:
        task.refuse(f"the text has only {len(stream)} tokens: ask for less context")
    return encoding, stream


def publish(training, encoding, config):
    folder = task.output_folder("model")
    task.replace(folder / "model.safetensors", weights.pack(training.arrays(), {"format": "pt"}))
    task.replace(folder / "config.json", json.dumps(config, indent=2) + "\n")
    task.replace(folder / "tokenizer.json", encoding.to_json())


def main():
    options = task.parameters(DEFAULTS)
    notice = []
    signal.signal(signal.SIGTERM, lambda *_: notice.append(True))
    torch.set_num_threads(task.cpus())
    config = configuration(options)
    encoding, stream = prepare(options)
    training = Training(options, config)
    training.resume(task.checkpoint_folder())
    count = sum(weight.numel() for weight in training.model.parameters())
    print(f"{count:,} weights, {len(stream):,} tokens, {task.cpus()} threads", flush=True)

    saved = told = time.monotonic()
    losses = []
    while training.step < options["steps"]:
        losses.append(training.advance(stream))
        now = time.monotonic()
        if training.step % options["report_steps"] == 0 or training.step == options["steps"]:
            speed = len(losses) * options["batch"] * options["context"] / (now - told)
            task.report(step=training.step, loss=round(sum(losses) / len(losses), 4),
                        tokens_per_second=round(speed),
                        learning_rate=round(rate_at(options, training.step - 1), 6))
            task.tell({"progress": {"done": training.step, "of": options["steps"]}})
            losses, told = [], now
        if notice or now - saved >= options["checkpoint_seconds"]:
            training.save(task.checkpoint_folder())
            saved = time.monotonic()
        if notice and training.step < options["steps"]:
            print(f"stopped at step {training.step}, checkpoint written", flush=True)
            raise SystemExit(128 + signal.SIGTERM)
    publish(training, encoding, config)
    print(f"trained {training.step} steps", flush=True)


if __name__ == "__main__":
    main()
