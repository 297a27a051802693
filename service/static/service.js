/** The service over HTTP: the same public interface that everybody else uses. */

const KEPT = "noisevote-api-key";

/** Send this API key from now on, until the tab is closed. */
export function useKey(key) {
  sessionStorage.setItem(KEPT, key);
}

/** Return the headers that every request has. */
function authorization() {
  const key = sessionStorage.getItem(KEPT);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** What the service said when it refused. */
export class Refusal extends Error {
  /** @param {{code: string, message: string, field?: string}} error */
  constructor(error) {
    super(error.message);
    this.code = error.code;
    this.field = error.field;
  }
}

/** Raise what a reply that is no success says. */
async function refuse(response) {
  let error = { code: "http", message: `the service answered ${response.status}` };
  try {
    error = (await response.json()).error ?? error;
  } catch {
    // Not of the service: a proxy's own page.
  }
  throw new Refusal(error);
}

/** Return the cards of all checkpoints that read a drawing, and the default's name. */
export async function cards() {
  const headers = authorization();
  const response = await fetch("checkpoints", { headers });
  if (!response.ok) await refuse(response);
  const { checkpoints } = await response.json();
  const found = await Promise.all(
    checkpoints.map(async ({ name }) => {
      const card = await fetch(`checkpoints/${encodeURIComponent(name)}`, { headers });
      return card.ok ? card.json() : null;
    }),
  );
  return {
    cards: found.filter((card) => card !== null),
    standard: checkpoints.find((summary) => summary.is_default)?.name,
  };
}

/**
 * Post a prediction and yield its events as they come.
 * @param {object} body of the request
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<{name: string, data: object}>}
 */
export async function* stream(body, signal) {
  const response = await fetch("predict/stream", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...authorization() },
    body: JSON.stringify(body),
    signal,
  });
  if (!response.ok) await refuse(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (text + value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      if (block.startsWith(":")) continue;
      const [name, data] = block.split("\n").map((line) => line.slice(line.indexOf(":") + 2));
      if (name === "error") throw new Refusal(JSON.parse(data).error);
      yield { name, data: JSON.parse(data) };
    }
  }
}

/** Return the command that posts a body; safe to paste into a POSIX shell, and holds no key. */
export function curl(body) {
  const url = new URL("predict", document.baseURI).href;
  const json = JSON.stringify(body).replaceAll("'", "'\\''");
  const key = authorization().Authorization
    ? ` \\\n  -H "Authorization: Bearer $NOISEVOTE_API_KEY"`
    : "";
  return `curl -s ${url} \\\n  -H 'Content-Type: application/json'${key} \\\n  -d '${json}'`;
}
