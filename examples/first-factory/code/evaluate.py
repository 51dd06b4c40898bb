"""Step "evaluate": how well the model foretells text that it never saw.

Inputs "dataset" (its held-back part) and "model". Of the metrics, loss is the mean
negative log-likelihood a token (natural logarithm), perplexity its exponential, accuracy the share
of tokens that were the model's first guess, bits_per_byte the loss without regard to the tokenizer.
"""

import json
import time

import task

task.use_threads(task.cpus())

import numpy

import corpus
import inference
import tokenizer

DEFAULTS = {"tokens": 0, "batch": 16}


def windows(stream, length):
    """Pieces of `length` tokens and the one that follows each token; the rest at the end is left."""
    return [stream[at:at + length + 1] for at in range(0, len(stream) - length, length)]


def judge(model, pieces):
    """(sum of losses, first guesses that were right, tokens judged) of some pieces."""
    states = model.advance([(inference.Sequence(model), piece[:-1]) for piece in pieces])
    wanted = numpy.concatenate([piece[1:] for piece in pieces])
    scores = model.scores(states)
    right = int((scores.argmax(1) == wanted).sum())
    top = scores.max(1, keepdims=True)
    spread = numpy.log(numpy.exp(scores - top).sum(1, dtype=numpy.float64)) + top[:, 0]
    loss = float((spread - scores[numpy.arange(len(wanted)), wanted]).sum())
    return loss, right, len(wanted)


def main():
    options = task.parameters(DEFAULTS)
    model = inference.Model(task.input_folder("model"))
    texts = corpus.chapters(task.input_folder("dataset"), "held")
    stream = corpus.tokens(texts, model.tokenizer, tokenizer.END)
    if options["tokens"]:
        stream = stream[:options["tokens"] + 1]
    pieces = windows(stream, model.context // 2)  # the length that the model was trained on
    if not pieces:
        task.refuse(f"the held-back text has only {len(stream)} tokens")
    began, loss, right, count = time.monotonic(), 0.0, 0, 0
    for at in range(0, len(pieces), options["batch"]):
        more = judge(model, pieces[at:at + options["batch"]])
        loss, right, count = loss + more[0], right + more[1], count + more[2]
        task.tell({"progress": {"done": min(at + options["batch"], len(pieces)), "of": len(pieces)}})
    judged = [token for piece in pieces for token in piece[1:]]
    metrics = {
        "loss": round(loss / count, 6), "perplexity": round(float(numpy.exp(loss / count)), 4),
        "accuracy": round(right / count, 6), "tokens": count,
        "bits_per_byte": round(loss / numpy.log(2) / len(model.tokenizer.decode(judged)), 6),
    }
    task.report(**metrics, tokens_per_second=round(count / (time.monotonic() - began)))
    print(json.dumps(metrics))


if __name__ == "__main__":
    main()
