"""The programs of examples/first-factory, each run as the task it will be, without a factory.

They see the paths and variables of docs/task.md in a folder of their own and nothing else.
"""

import base64
import concurrent.futures
import hashlib
import http.client
import json
import pathlib
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import fake_task
from fake_task import PATIENCE_SECONDS, ROOT

sys.path.insert(0, str(ROOT / "tests" / "run"))
import tap

CODE = ROOT / "examples" / "first-factory" / "code"
TINY = {"steps": 60, "batch": 8, "context": 64, "vocabulary": 512, "width": 64, "layers": 2,
        "heads": 2, "checkpoint_seconds": 0.2}


def Task(*arguments):
    return fake_task.Task(CODE, *arguments)


def digest(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


class FirstFactory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.parent = tempfile.mkdtemp()
        cls.ingest = Task(cls.parent, "ingest", {"books": 2})
        cls.ingested = cls.ingest.run("ingest.py")
        cls.dataset = cls.ingest.output("dataset")
        cls.train = Task(cls.parent, "train", TINY, [cls.dataset])
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        cls.trained = cls.train.run("train.py")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cls.training_seconds = (after.ru_utime + after.ru_stime
                                - before.ru_utime - before.ru_stime)  # of processor time
        cls.model = cls.train.output("model")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.parent)

    def test_ingest_makes_the_declared_dataset(self):
        self.assertEqual(self.ingested[0], 0, self.ingested[1])
        about = json.loads((self.ingest.output("about") / "about.json").read_text())
        chapters = {}
        for part in ("train", "held"):
            content = (self.dataset / f"{part}.jsonl").read_bytes()
            self.assertEqual(about["parts"][part]["sha256"], hashlib.sha256(content).hexdigest())
            verses = [json.loads(line) for line in content.splitlines()]
            self.assertEqual(about["parts"][part]["verses"], len(verses))
            self.assertTrue(all(set(verse) == {"book", "chapter", "verse", "text"}
                                for verse in verses))
            chapters[part] = {(verse["book"], verse["chapter"]) for verse in verses}
        self.assertEqual(len(chapters["train"] | chapters["held"]), 50 + 40)  # Genesis, Exodus
        self.assertFalse(chapters["train"] & chapters["held"])

    def test_training_learns_and_reports(self):
        self.assertEqual(self.trained[0], 0, self.trained[1])
        self.assertLess(self.training_seconds, 20)
        lines = self.train.metrics()
        self.assertEqual([line["step"] for line in lines], list(range(10, 70, 10)))
        self.assertLess(lines[-1]["loss"], lines[0]["loss"] - 0.2)

    def test_the_same_seed_gives_the_same_model_and_another_seed_another(self):
        again = Task(self.parent, "again", TINY, [self.dataset])
        self.assertEqual(again.run("train.py")[0], 0)
        self.assertEqual(digest(again.output("model")), digest(self.model))
        other = Task(self.parent, "other", {**TINY, "seed": 2}, [self.dataset])
        self.assertEqual(other.run("train.py")[0], 0)
        self.assertNotEqual(digest(other.output("model"))["model.safetensors"],
                            digest(self.model)["model.safetensors"])

    def _wait_for_checkpoint(self, task, process):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (task.folder / "checkpoints" / "training.safetensors").exists():
            self.assertIsNone(process.poll(), "ended before its first checkpoint")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.005)

    def _resumes_after(self, name, number, status):
        task = Task(self.parent, name, {**TINY, "steps": 60}, [self.dataset])
        process = task.start("train.py")
        self._wait_for_checkpoint(task, process)
        process.send_signal(number)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual(process.returncode, status, output)
        self.assertFalse(task.output("model").exists())
        code, output = task.run("train.py")
        self.assertEqual(code, 0, output)
        self.assertIn("going on from the checkpoint", output)
        self.assertEqual(digest(task.output("model")), digest(self.model))

    def test_notice_writes_a_checkpoint_and_the_next_attempt_ends_with_the_same_model(self):
        self._resumes_after("noticed", signal.SIGTERM, 128 + signal.SIGTERM)

    def test_kill_loses_only_what_came_after_the_last_checkpoint(self):
        self._resumes_after("killed", signal.SIGKILL, -signal.SIGKILL)

    def test_unknown_and_mistyped_parameters_are_refused(self):
        for index, (parameters, field) in enumerate([({"stepz": 1}, "stepz"),
                                                     ({"steps": "many"}, "steps"),
                                                     ({"width": 50, "heads": 4}, "width")]):
            task = Task(self.parent, f"bad{index}", parameters, [self.dataset])
            code, output = task.run("train.py")
            self.assertEqual(code, 1)
            self.assertIn(field, output)

    def test_evaluation_measures_the_model_on_held_back_text(self):
        task = Task(self.parent, "evaluate", {}, [self.dataset, self.model])
        code, output = task.run("evaluate.py")
        self.assertEqual(code, 0, output)
        metrics = task.metrics()[-1]
        self.assertGreater(metrics["tokens"], 1000)
        self.assertGreater(metrics["accuracy"], 0.01)
        self.assertLess(metrics["perplexity"], TINY["vocabulary"])


class Service(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.parent = tempfile.mkdtemp()
        ingest = Task(cls.parent, "ingest", {"books": 2})
        ingest.run("ingest.py")
        train = Task(cls.parent, "train", TINY, [ingest.output("dataset")])
        train.run("train.py")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            cls.port = free.getsockname()[1]
        cls.service = Task(cls.parent, "serve", {}, [train.output("model")])
        cls.process = cls.service.start("serve.py", BESSEMER_PORT=str(cls.port))
        cls.first_line = cls.process.stdout.readline()
        cls.start_ticks = cls.busy_ticks()

    @classmethod
    def tearDownClass(cls):
        cls.process.kill()
        cls.process.communicate()
        shutil.rmtree(cls.parent)

    def ask(self, path, body=None, method=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection.request(method or ("GET" if body is None else "POST"), path, data)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def complete(self, **fields):
        status, content = self.ask("/v1/completions",
                                   {"model": "m", "prompt": "And God said", **fields})
        self.assertEqual(status, 200, content)
        return json.loads(content)

    def events(self, path, **fields):
        status, content = self.ask(path, {"model": "m", "stream": True, **fields})
        self.assertEqual(status, 200, content)
        lines = [line[6:] for line in content.decode().split("\n\n") if line]
        self.assertEqual(lines.pop(), "[DONE]")
        return [json.loads(line) for line in lines]

    def test_it_is_ready_within_a_second_of_processor_time(self):
        self.assertIn("serving", self.first_line)
        self.assertLess(self.start_ticks, 100)
        self.assertEqual(self.ask("/health")[0], 200)

    def test_usage_counts_what_was_produced(self):
        answer = self.complete(max_tokens=7, temperature=0)
        usage = answer["usage"]
        self.assertLessEqual(usage["completion_tokens"], 7)
        self.assertEqual(usage["total_tokens"],
                         usage["prompt_tokens"] + usage["completion_tokens"])

    def test_a_seed_repeats_and_temperature_zero_needs_none(self):
        for fields in ({"seed": 5, "temperature": 1}, {"temperature": 0}):
            first, second = (self.complete(max_tokens=30, **fields) for _ in range(2))
            self.assertEqual(first["choices"], second["choices"])

    def test_a_stream_is_the_whole_answer_a_chunk_a_token(self):
        fields = {"max_tokens": 20, "temperature": 0}
        whole = self.complete(**fields)
        chunks = self.events("/v1/completions", prompt="And God said",
                             stream_options={"include_usage": True}, **fields)
        last = chunks.pop()
        self.assertEqual((last["choices"], last["usage"]), ([], whole["usage"]))
        self.assertEqual(chunks.pop()["choices"][0]["finish_reason"],
                         whole["choices"][0]["finish_reason"])
        self.assertEqual("".join(chunk["choices"][0]["text"] for chunk in chunks),
                         whole["choices"][0]["text"])
        self.assertEqual(len(chunks), whole["usage"]["completion_tokens"])

    def test_chat_streams_deltas_and_running_usage(self):
        chunks = self.events("/v1/chat/completions", max_tokens=5,
                             messages=[{"role": "user", "content": "And God said"}],
                             stream_options={"continuous_usage_stats": True})
        self.assertEqual(chunks[0]["choices"][0]["delta"]["role"], "assistant")
        counted = [chunk["usage"]["completion_tokens"] for chunk in chunks]
        self.assertEqual(counted, sorted(counted))
        self.assertEqual(counted[0], 1)

    def test_a_stop_text_ends_the_answer_and_is_not_in_it(self):
        whole = self.complete(max_tokens=40, temperature=0)["choices"][0]["text"]
        stop = whole[8:12]
        cut = self.complete(max_tokens=40, temperature=0, stop=[stop])["choices"][0]
        self.assertEqual((cut["text"], cut["finish_reason"]), (whole[:whole.index(stop)], "stop"))

    def test_embeddings_have_length_one_in_both_codings(self):
        body = {"model": "m", "input": ["a king", "a queen"]}
        status, content = self.ask("/v1/embeddings", body)
        self.assertEqual(status, 200)
        plain = json.loads(content)
        vector = plain["data"][1]["embedding"]
        self.assertAlmostEqual(sum(x * x for x in vector), 1, places=4)
        coded = json.loads(self.ask("/v1/embeddings", {**body, "encoding_format": "base64"})[1])
        packed = base64.b64decode(coded["data"][1]["embedding"])
        self.assertEqual([round(x, 6) for x in struct.unpack(f"<{len(vector)}f", packed)],
                         [round(x, 6) for x in vector])
        self.assertEqual(plain["usage"]["total_tokens"], plain["usage"]["prompt_tokens"])

    def test_refusals_name_the_field(self):
        for path, body, status, word in [
                ("/v1/completions", b"{", 400, "JSON"),
                ("/v1/completions", {"prompt": "a"}, 400, "model"),
                ("/v1/completions", {"model": "m", "prompt": 1}, 400, "prompt"),
                ("/v1/completions", {"model": "m", "prompt": "a", "n": 2}, 400, "n must"),
                ("/v1/completions", {"model": "m", "prompt": "a", "max_tokens": 0}, 400, "max_t"),
                ("/v1/completions", {"model": "m", "prompt": "a", "temperature": 3}, 400, "temp"),
                ("/v1/completions", {"model": "m", "prompt": "word " * 500}, 400, "context"),
                ("/v1/chat/completions", {"model": "m", "messages": []}, 400, "messages"),
                ("/v1/chat/completions", {"model": "m", "messages": [{"role": "x"}]}, 400, "role"),
                ("/v1/embeddings", {"model": "m", "input": []}, 400, "input"),
                ("/v1/nothing", {}, 404, "nothing"),
                ("/health", {}, 405, "POST"),
                ("/v1/completions", b"x" * 2_000_000, 413, "limited")]:
            try:
                got, content = self.ask(path, body)
            except (BrokenPipeError, ConnectionResetError):
                self.assertEqual(status, 413)  # the server need not read what it refuses
                continue
            self.assertEqual(got, status, content)
            self.assertIn(word, json.loads(content)["error"]["message"])

    @classmethod
    def busy_ticks(cls):
        """Hundredths of a second of processor time that the service has used."""
        stat = pathlib.Path(f"/proc/{cls.process.pid}/stat").read_text()
        fields = stat.rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def test_a_client_that_hangs_up_stops_the_work(self):
        body = json.dumps({"model": "m", "prompt": "In", "max_tokens": 100, "stream": True})
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", self.port)) as line:
                line.sendall(f"POST /v1/completions HTTP/1.1\r\nhost: x\r\n"
                             f"content-length: {len(body)}\r\n\r\n{body}".encode())
                line.recv(100)
        self.assertEqual(self.ask("/health")[0], 200)
        before = self.busy_ticks()
        with self.assertRaises(subprocess.TimeoutExpired):
            self.process.wait(0.5)
        self.assertLessEqual(self.busy_ticks() - before, 5)  # idle: at most 50 ms of 500

    def test_one_connection_carries_many_requests(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        connection.connect()
        used = connection.sock
        for _ in range(5):
            connection.request("POST", "/v1/completions", json.dumps(
                {"model": "m", "prompt": "And", "max_tokens": 3, "stream": True}))
            answer = connection.getresponse()
            self.assertTrue(answer.read().endswith(b"data: [DONE]\n\n"))
            self.assertIs(connection.sock, used)
        connection.close()

    def test_many_at_once_get_what_each_would_get_alone(self):
        prompts = ["And God said", "In the beginning", "And Moses", "The sons of"] * 8
        alone = {prompt: self.complete(prompt=prompt, temperature=0, max_tokens=12)["choices"]
                 for prompt in set(prompts)}
        with concurrent.futures.ThreadPoolExecutor(len(prompts)) as pool:
            answers = list(pool.map(
                lambda prompt: self.complete(prompt=prompt, temperature=0, max_tokens=12), prompts))
        for prompt, answer in zip(prompts, answers):
            self.assertEqual(answer["choices"], alone[prompt])


if __name__ == "__main__":
    tap.main()
