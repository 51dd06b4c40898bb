"""What applications do with OpenAI's Python library, done to the address in CLIENT_BASE_URL."""

import asyncio
import os
import pathlib
import sys
import time
import unittest

import openai

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "run"))
import tap

BASE_URL, KEY = os.environ["CLIENT_BASE_URL"], os.environ["CLIENT_KEY"]
MODEL = os.environ["CLIENT_MODEL"]
GATEWAY = os.environ.get("CLIENT_GATEWAY") == "1"
SAID = [{"role": "user", "content": "And God said"}]


class Applications(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, timeout=60)
        self.addCleanup(self.client.close)

    def stream(self, **fields):
        return self.client.chat.completions.create(
            model=MODEL, messages=SAID, stream=True, **fields)

    def test_chat(self):
        answer = self.client.chat.completions.create(
            model=MODEL, messages=SAID, max_tokens=12, temperature=0)
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertTrue(answer.choices[0].message.content)
        self.assertIn(answer.choices[0].finish_reason, ("length", "stop"))
        usage = answer.usage
        self.assertGreater(usage.prompt_tokens, 0)
        self.assertLessEqual(usage.completion_tokens, 12)
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)

    def test_a_stream_says_what_the_whole_answer_says(self):
        fields = {"max_tokens": 20, "temperature": 0}
        whole = self.client.chat.completions.create(model=MODEL, messages=SAID, **fields)
        chunks = list(self.stream(stream_options={"include_usage": True}, **fields))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual((chunks[-1].choices, chunks[-1].usage.model_dump()),
                         ([], whole.usage.model_dump()))
        finishes = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
        self.assertEqual([finish for finish in finishes if finish],
                         [whole.choices[0].finish_reason])

    def test_a_stream_without_asking_for_usage_has_none(self):
        self.assertTrue(all(chunk.usage is None for chunk in self.stream(max_tokens=5)))

    def test_a_stream_without_max_tokens_ends(self):
        chunks = list(self.stream())
        self.assertTrue(chunks[-1].choices[0].finish_reason)

    def test_completions(self):
        answer = self.client.completions.create(
            model=MODEL, prompt="In the beginning", max_tokens=8, seed=7)
        again = self.client.completions.create(
            model=MODEL, prompt="In the beginning", max_tokens=8, seed=7)
        self.assertEqual(answer.choices[0].text, again.choices[0].text)

    def test_completions_stream(self):
        chunks = list(self.client.completions.create(
            model=MODEL, prompt="In the beginning", max_tokens=8, stream=True))
        self.assertEqual(chunks[-1].choices[0].finish_reason, "length")

    def test_embeddings(self):
        answer = self.client.embeddings.create(model=MODEL, input=["a king", "a queen", "a king"])
        vectors = [item.embedding for item in answer.data]
        self.assertEqual([item.index for item in answer.data], [0, 1, 2])
        self.assertEqual(vectors[0], vectors[2])
        self.assertNotEqual(vectors[0], vectors[1])
        self.assertAlmostEqual(sum(x * x for x in vectors[0]), 1, places=3)
        self.assertGreater(answer.usage.prompt_tokens, 0)

    def test_models(self):
        names = [model.id for model in self.client.models.list()]
        self.assertIn(MODEL, names)

    def test_bad_parameters_are_refused(self):
        for fields in ({"temperature": 9}, {"max_tokens": 0}, {"n": 2}):
            with self.assertRaises(openai.BadRequestError) as caught:
                self.client.chat.completions.create(model=MODEL, messages=SAID, **fields)
            said = f"{caught.exception.param} {caught.exception.message}"
            self.assertIn(next(iter(fields)), said)

    def test_a_prompt_beyond_the_context_is_refused(self):
        with self.assertRaises(openai.BadRequestError):
            self.client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": "verily " * 2000}])

    def test_cancelling_a_stream_ends_it_and_the_next_request_works(self):
        for _ in range(5):
            with self.stream(max_tokens=200) as stream:
                next(iter(stream))
        self.test_chat()

    def test_many_at_once(self):
        async def ask(client):
            stream = await client.chat.completions.create(
                model=MODEL, messages=SAID, max_tokens=10, temperature=0, stream=True,
                stream_options={"include_usage": True})
            return [chunk async for chunk in stream][-1].usage.completion_tokens

        async def all_of_them():
            async with openai.AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0,
                                          timeout=60) as client:
                return await asyncio.gather(*(ask(client) for _ in range(16)))

        self.assertEqual(len(set(asyncio.run(all_of_them()))), 1)

    def test_a_client_that_waits_too_little_goes_its_way(self):
        began = time.monotonic()
        with self.assertRaises(openai.APITimeoutError):
            self.client.with_options(timeout=0.001).chat.completions.create(
                model=MODEL, messages=SAID, max_tokens=200)
        self.assertLess(time.monotonic() - began, 5)
        self.test_chat()


class Keys(unittest.TestCase):
    """Only a gateway checks keys and model names."""

    def client(self, key=KEY):
        client = openai.OpenAI(base_url=BASE_URL, api_key=key, max_retries=0, timeout=60)
        self.addCleanup(client.close)
        return client

    def test_a_wrong_key_is_refused(self):
        for call in (lambda client: client.models.list(),
                     lambda client: client.chat.completions.create(model=MODEL, messages=SAID)):
            with self.assertRaises(openai.AuthenticationError):
                call(self.client("bsk_" + "0" * 40))

    def test_an_unknown_model_is_not_found(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client().chat.completions.create(model="no-such-model", messages=SAID)
        self.assertIn("no-such-model", caught.exception.message)


if __name__ == "__main__":
    if not GATEWAY:
        del Keys
    tap.main()
