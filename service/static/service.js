/** The service over HTTP: the same public interface that everybody else uses. */

const KEPT = "noisevote-api-key";
/** How often a busy service is asked, and the longest wait between. */
const MOST_TRIES = 6;
const MOST_WAIT_S = 60;
/** Longest wait for an answer that takes no votes. */
const LONGEST_MS = 20_000;

/** Send this API key from now on, until the tab is closed. */
export function useKey(key) {
  sessionStorage.setItem(KEPT, key);
}

/** Return whether a key is sent: links and other programs need it, too. */
export const hasKey = () => Boolean(sessionStorage.getItem(KEPT));

/** Return the headers that every request has. */
function authorization() {
  const key = sessionStorage.getItem(KEPT);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** What the service said when it refused. */
export class Refusal extends Error {
  /**
   * @param {{code: string, message: string, field?: string}} error
   * @param {number} [retryAfter] seconds after which it may be asked again; NaN if it does not say
   * @param {number} [status] of the reply, if there was one
   */
  constructor(error, retryAfter = NaN, status = 0) {
    super(error.message);
    this.code = error.code;
    this.field = error.field;
    this.retryAfter = retryAfter;
    this.status = status;
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
  const retryAfter = Number.parseFloat(response.headers.get("Retry-After"));
  throw new Refusal(error, retryAfter, response.status);
}

/** Ask for something with the key, and return the reply if it is a success. */
export async function ask(path, options = {}) {
  const headers = { ...options.headers, ...authorization() };
  const response = await fetch(path, { ...options, headers });
  if (!response.ok) await refuse(response);
  return response;
}

/** Return what a path answers: its JSON, or its text if it is none. */
export async function get(path) {
  const response = await ask(path, { signal: AbortSignal.timeout(LONGEST_MS) });
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
  return isJson ? response.json() : response.text();
}

/** Return what went wrong, in words. */
export function wrong(error) {
  return error instanceof Refusal ? error.message : "the service cannot be reached";
}

/** Return the cards of all checkpoints, and the default's name. */
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

/** Return the analog devices that there are. */
export async function devices() {
  const response = await fetch("devices", { headers: authorization() });
  if (!response.ok) await refuse(response);
  return (await response.json()).devices;
}

/**
 * Post a prediction and yield its events as they come.
 * @param {object} body of the request
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<{name: string, data: object}>}
 */
async function* stream(body, signal) {
  yield* events("predict/stream", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
}

/**
 * Ask for something and yield the events of the reply as they come.
 * @returns {AsyncGenerator<{name: string, data: object}>}
 */
export async function* events(path, options) {
  const response = await ask(path, options);
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

/**
 * Post a prediction, again and again while the service asks to come back; yield its events.
 * @param {object} body of the request
 * @param {AbortSignal} signal
 * @param {(seconds: number) => void} onWait called before each wait
 */
export async function* patientStream(body, signal, onWait) {
  for (let tries = 1; ; tries += 1) {
    try {
      yield* stream(body, signal);
      return;
    } catch (error) {
      const seconds = Math.max(1, error.retryAfter);
      if (!(seconds <= MOST_WAIT_S) || tries === MOST_TRIES) throw error;
      onWait(seconds);
      await wait(seconds, signal);
    }
  }
}

/** Wait some seconds, or until the signal. */
async function wait(seconds, signal) {
  await new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", resolve, { once: true });
  });
  signal.throwIfAborted();
}

/** Letters up to which a body is one argument of a command; systems allow 128 KiB. */
const MOST_ARGUMENT = 100_000;

/**
 * Return the command that posts a body; safe to paste into a POSIX shell, and holds no key.
 * @param {object} body of the request
 * @param {string | null} [file] where the picture of a long body lies
 */
export function curl(body, file = null) {
  const url = new URL("predict", document.baseURI).href;
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const json = JSON.stringify(body);
  const key = authorization().Authorization
    ? ` \\\n  -H "Authorization: Bearer $NOISEVOTE_API_KEY"`
    : "";
  const post = `curl -s ${url} \\\n  -H 'Content-Type: application/json'${key} \\\n  -d `;
  if (json.length <= MOST_ARGUMENT) return post + quoted(json);
  if (!file || !body.image) return `${post}@- <<'END'\n${json}\nEND`;
  const [before, after] = json.split(body.image).map(quoted);
  const picture = `base64 < ${quoted(`./${file}`)} | tr -d '\\n'`;
  return `{ printf %s ${before}; ${picture}; printf %s ${after}; } |\n  ${post}@-`;
}
