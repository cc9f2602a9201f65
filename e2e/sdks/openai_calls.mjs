// One call with openai-node, and what its user reads of the outcome.
import OpenAI from "openai";

const [base, key, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 2 });
const named = model === "no-model" ? {} : { model };
try {
  const answer = await client.post("/chat/completions", { body: { ...named, messages: [] } });
  console.log(JSON.stringify({ ok: answer }));
} catch (error) {
  if (!(error instanceof OpenAI.APIError)) throw error;
  console.log(JSON.stringify({
    status: error.status,
    type: error.type ?? null,
    code: error.code ?? null,
    param: error.param ?? null,
    request_id: error.requestID ?? null,
    class: error.constructor.name,
  }));
}
// An answer that the SDK has not read to its end keeps its connection, and that the process.
process.exit(0);
