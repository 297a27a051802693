/** Metrics in Prometheus's text format: one reading, and what changed between two. */

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES = { "\\n": "\n", '\\"': '"', "\\\\": "\\" };
const SPECIAL = { "+Inf": Infinity, "-Inf": -Infinity };

const number = (text) => SPECIAL[text] ?? Number(text);

/**
 * Return the samples of a text.
 * @param {string} text
 * @returns {{name: string, labels: Record<string, string>, value: number}[]}
 */
export function parse(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = line.match(LINE);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(LABEL)) {
      labels[name] = value.replaceAll(/\\[n"\\]/g, (escape) => ESCAPES[escape]);
    }
    samples.push({ name: found[1], labels, value: number(found[3]) });
  }
  return samples;
}

/** The metrics at one time. */
export class Reading {
  /**
   * @param {string} text of the metrics
   * @param {number} seconds at which they were read, on any clock
   */
  constructor(text, seconds) {
    this.seconds = seconds;
    this.samples = new Map();
    for (const sample of parse(text)) {
      if (!this.samples.has(sample.name)) this.samples.set(sample.name, []);
      this.samples.get(sample.name).push(sample);
    }
  }

  /** Return the samples of a metric. */
  all(name) {
    return this.samples.get(name) ?? [];
  }

  /** Return the sum of a metric over the samples that are wanted; undefined without any sample. */
  sum(name, isWanted = () => true) {
    const found = this.all(name);
    if (!found.length) return undefined;
    return found.reduce((sum, { labels, value }) => (isWanted(labels) ? sum + value : sum), 0);
  }

  /** Return a metric's sums by one label. */
  by(name, label) {
    const sums = new Map();
    for (const { labels, value } of this.all(name)) {
      sums.set(labels[label], (sums.get(labels[label]) ?? 0) + value);
    }
    return sums;
  }
}

/** What happened between two readings. */
export class Change {
  constructor(before, after) {
    this.before = before;
    this.after = after;
    this.seconds = after.seconds - before.seconds;
  }

  /** Return by how much a counter has grown. */
  grown(name, isWanted) {
    return (this.after.sum(name, isWanted) ?? 0) - (this.before.sum(name, isWanted) ?? 0);
  }

  /** Return a counter's growth a second; NaN if no time has passed. */
  rate(name, isWanted) {
    return this.seconds > 0 ? this.grown(name, isWanted) / this.seconds : Number.NaN;
  }

  /** Return whether counters have begun anew: the service was started again. */
  get isAnew() {
    return this.grown("noisevote_requests_total") < 0;
  }

  /**
   * Return a quantile of what a histogram has counted in between, evenly spread within a bucket;
   * NaN if that is nothing, and the highest bound for what lies beyond it.
   */
  quantile(name, share) {
    const after = this.after.by(`${name}_bucket`, "le");
    const before = this.before.by(`${name}_bucket`, "le");
    const buckets = [...after]
      .map(([bound, sum]) => [number(bound), sum - (before.get(bound) ?? 0)])
      .sort(([a], [b]) => a - b);
    const total = buckets.at(-1)?.[1] ?? 0;
    if (total <= 0) return Number.NaN;
    let low = 0;
    let below = 0;
    for (const [bound, upTo] of buckets) {
      if (upTo >= share * total) {
        if (bound === Infinity) return low;
        return low + ((bound - low) * (share * total - below)) / (upTo - below);
      }
      [low, below] = [bound, upTo];
    }
    return low;
  }
}
