/** The status page: reads again and again, while it is seen, how the service does. */

import { newSparkline, sparkline } from "./charts.js";
import { make } from "./elements.js";
import { bytes, count, digits, duration } from "./formats.js";
import { askForKeyIf, keyIsRight, onKey } from "./keyform.js";
import { Change, Reading } from "./prometheus.js";
import { get, Refusal, wrong } from "./service.js";
import { showTables } from "./status_tables.js";

const EVERY_MS = 3000;
const WINDOW_S = 60;
/** Points of a sparkline. */
const MOST = 100;
const LATENCY = "noisevote_predict_seconds";
const ALONE =
  "whether it is ready, what is refused and drift are of the one that answered last.";

const at = (id) => document.getElementById(id);
const nowS = () => performance.now() / 1000;

let readings = [];
let timer = null;
let isReading = false;
let isPaused = false;

/** Figures: their names, and what they are of the last minute, the last step, and all there is. */
const FIGURES = [
  ["Votes a second", ({ minute }) => [minute && digits(minute.rate("noisevote_votes_cast_total"))],
    ({ step }) => step?.rate("noisevote_votes_cast_total")],
  ["Predictions a second", ({ minute }) => [minute && digits(minute.rate(`${LATENCY}_count`))],
    ({ step }) => step?.rate(`${LATENCY}_count`)],
  ["Latency, p95", ({ minute }) => [minute && seconds(minute.quantile(LATENCY, 0.95)),
    minute && `p50 ${seconds(minute.quantile(LATENCY, 0.5))}`],
    ({ minute }) => minute?.quantile(LATENCY, 0.95)],
  ["Votes that wait", ({ last }) => [whole(last.sum("noisevote_queued_votes"))],
    ({ last }) => last.sum("noisevote_queued_votes")],
  ["Slots busy", ({ minute, last }) => [minute && digits(busy(minute), 2),
    `of ${whole(last.sum("noisevote_slots"))}`],
    ({ step }) => step && busy(step)],
  ["Memory", ({ last }) => [size(last.sum("noisevote_memory_bytes"))],
    ({ last }) => last.sum("noisevote_memory_bytes")],
  ["Up for", ({ last }) => [upFor(last)]],
  ["Worker processes", ({ last }) => [whole(last.sum("noisevote_workers"))]],
];

const busy = (change) => change.rate("noisevote_slot_seconds_total");
const whole = (number) => (number === undefined ? undefined : count(number));
const size = (number) => (number === undefined ? undefined : bytes(number));
const seconds = (number) => (Number.isNaN(number) ? "–" : duration(number));
const upFor = (last) => {
  const started = last.sum("noisevote_start_time_seconds");
  return started ? duration(Math.max(1, Math.round(Date.now() / 1000 - started))) : undefined;
};

const tiles = FIGURES.map(([name, , plotted]) => {
  const tile = {
    value: make("dd", { class: "value" }, "–"),
    more: make("dd", { class: "more" }),
    spark: plotted ? newSparkline() : null,
    values: [],
  };
  const drawn = tile.spark && make("dd", {}, tile.spark);
  at("tiles").append(make("div", {}, make("dt", {}, name), tile.value, tile.more, drawn));
  return tile;
});

/** Write a text where it stands, unless it stands there: what has not changed is not said again. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showFigures() {
  const last = readings.at(-1);
  const minute = readings.length > 1 ? new Change(readings[0], last) : null;
  const step = readings.length > 1 ? new Change(readings.at(-2), last) : null;
  FIGURES.forEach(([, told, plotted], number) => {
    const tile = tiles[number];
    const [value, more] = told({ last, minute });
    write(tile.value, value || "–");
    write(tile.more, more || "");
    if (!plotted) return;
    tile.values = [...tile.values, plotted({ last, minute, step })].slice(-MOST);
    sparkline(tile.spark, tile.values);
  });
  const workers = last.sum("noisevote_workers");
  const window = minute ? `Rates and latencies: of the last ${Math.round(minute.seconds)} s.` : "";
  const of = workers > 1 ? ` Counts are of all ${workers} worker processes together; ${ALONE}` : "";
  write(at("window"), window + of);
  return minute;
}

/** Take what has been read; counters that have begun anew are not compared with older ones. */
function take(text) {
  readings.push(new Reading(text, nowS()));
  const isAnew = readings.length > 1 && new Change(...readings.slice(-2)).isAnew;
  if (isAnew) readings = readings.slice(-1);
  while (readings.length > 2 && readings.at(-1).seconds - readings[1].seconds >= WINDOW_S) {
    readings.shift();
  }
}

/** Return whether the service is ready, in words; raises if it cannot be reached. */
async function readiness() {
  try {
    await get("health/ready");
    return { isReady: true, says: "Ready" };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { isReady: false, says: `Not ready: ${error.message}` };
  }
}

/** Return what a path answers, or why it does not. */
async function orWhyNot(path) {
  try {
    return await get(path);
  } catch (error) {
    return { error: wrong(error) };
  }
}

async function read() {
  const ready = await readiness();
  write(at("ready"), ready.says);
  at("ready").classList.toggle("is-bad", !ready.isReady);
  const [text, listed, jobs] = await Promise.all([
    get("metrics"),
    orWhyNot("checkpoints"),
    orWhyNot("attack"),
  ]);
  keyIsRight();
  take(text);
  showTables(at("tables"), { last: readings.at(-1), minute: showFigures(), listed, jobs });
  write(at("problem"), "");
  at("figures").classList.remove("is-old");
}

/** Read once, and again after a while as long as the page is seen. */
async function go() {
  clearTimeout(timer);
  if (isReading) return;
  isReading = true;
  try {
    await read();
  } catch (error) {
    complain(error);
  }
  isReading = false;
  const needsKey = !at("key-form").hidden;
  if (!isPaused && !document.hidden && !needsKey) timer = setTimeout(go, EVERY_MS);
}

let readAt = "";

function complain(error) {
  if (askForKeyIf(error)) {
    write(at("problem"), `The metrics cannot be read: ${wrong(error)}.`);
    return;
  }
  if (!at("problem").textContent) readAt = new Date().toLocaleTimeString();
  const isRefusal = error instanceof Refusal;
  const what = isRefusal ? `Refused: ${error.message}` : "The service cannot be reached";
  write(at("problem"), `${what}, since ${readAt}. It is asked again.`);
  write(at("ready"), "");
  at("figures").classList.add("is-old");
}

at("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  at("pause").setAttribute("aria-pressed", String(isPaused));
  go();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !isPaused) go();
});
onKey(go);
go();
