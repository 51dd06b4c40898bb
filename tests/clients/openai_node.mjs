// What applications do with OpenAI's Node library, done to the address in CLIENT_BASE_URL.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const installed = createRequire(pathToFileURL(`${process.env.CLIENT_NODE_MODULES}/`));
const OpenAI = installed('openai');

const { CLIENT_BASE_URL: baseURL, CLIENT_KEY: apiKey, CLIENT_MODEL: model } = process.env;
const gateway = process.env.CLIENT_GATEWAY === '1';
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 60_000 });
const messages = [{ role: 'user', content: 'And God said' }];

const cases = {
  async chat() {
    const answer = await client.chat.completions.create({ model, messages, max_tokens: 12 });
    assert.ok(answer.choices[0].message.content);
    const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
    assert.ok(prompt_tokens > 0 && completion_tokens > 0 && completion_tokens <= 12);
    assert.equal(total_tokens, prompt_tokens + completion_tokens);
  },

  async 'a stream says what the whole answer says'() {
    const fields = { model, messages, max_tokens: 20, temperature: 0 };
    const whole = await client.chat.completions.create(fields);
    let text = '', usage = null;
    const stream = await client.chat.completions.create(
      { ...fields, stream: true, stream_options: { include_usage: true } });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.deepEqual(usage, whole.usage);
  },

  async completions() {
    const fields = { model, prompt: 'In the beginning', max_tokens: 8, seed: 7 };
    const first = await client.completions.create(fields);
    const second = await client.completions.create(fields);
    assert.equal(first.choices[0].text, second.choices[0].text);
  },

  async embeddings() {
    const { data, usage } = await client.embeddings.create({ model, input: ['a king', 'a queen'] });
    assert.equal(data.length, 2);
    const length = data[0].embedding.reduce((sum, x) => sum + x * x, 0);
    assert.ok(Math.abs(length - 1) < 1e-3, `length ${length}`);
    assert.ok(usage.prompt_tokens > 0);
  },

  async models() {
    const names = [];
    for await (const one of client.models.list()) names.push(one.id);
    assert.ok(names.includes(model), `${names}`);
  },

  async 'bad parameters are refused'() {
    await assert.rejects(client.chat.completions.create({ model, messages, temperature: 9 }),
      (error) => error instanceof OpenAI.BadRequestError && /temperature/.test(error.message));
  },

  async 'aborting a stream ends it and the next request works'() {
    const stream = await client.chat.completions.create(
      { model, messages, max_tokens: 200, stream: true });
    let chunks = 0;
    for await (const _ of stream) {
      if (++chunks === 2) stream.controller.abort();
    }
    assert.ok(chunks < 200);
    await cases.chat();
  },
};

if (gateway) {
  cases['a wrong key is refused'] = () => assert.rejects(
    new OpenAI({ baseURL, apiKey: 'bsk_wrong', maxRetries: 0 }).models.list(),
    (error) => error instanceof OpenAI.AuthenticationError);
  cases['an unknown model is not found'] = () => assert.rejects(
    client.chat.completions.create({ model: 'no-such-model', messages }),
    (error) => error instanceof OpenAI.NotFoundError);
}

let number = 0;
for (const [name, run] of Object.entries(cases)) {
  number += 1;
  try {
    await run();
    console.log(`ok ${number} - node: ${name}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`${error.stack}`.replace(/^/gm, '# '));
    console.log(`not ok ${number} - node: ${name}`);
  }
}
