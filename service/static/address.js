/** The state of the page in the fragment of its address, which no server is sent. */

import { enteredLayers, enterLayers } from "./layers.js";

/** Fields that are kept, and the value of each that goes without saying. */
const FIELDS = {
  checkpoint: null,
  device: "",
  chip: null,
  chips: "1",
  age: null,
  temperature: "",
  sigma: null,
  votes: null,
  stop: null,
  seed: null,
  latency: "100",
  energy: "10",
};
const BY_LAYER = ["sigma", "repeats"];
/** Browsers refuse an address that is changed too often. */
const PAUSE_MS = 250;

const at = (id) => document.getElementById(id);

let pause = null;

/** Return the state as a fragment, with what is kept of the input. */
function fragment(input) {
  const state = new URLSearchParams();
  for (const [id, usual] of Object.entries(FIELDS)) {
    const { disabled, value } = at(id);
    if (!disabled && value !== usual) state.set(id, value);
  }
  const layers = enteredLayers();
  for (const kind of BY_LAYER) {
    for (const [point, value] of Object.entries(layers[kind])) state.set(`${kind}.${point}`, value);
  }
  for (const [name, text] of Object.entries(input)) state.set(name, text);
  return `#${state}`;
}

/** Keep the state in the address, in a moment. */
export function keep(inputKept) {
  clearTimeout(pause);
  pause = setTimeout(() => {
    history.replaceState(null, "", location.pathname + fragment(inputKept()));
  }, PAUSE_MS);
}

/** Return the state that the address holds: text by name; a link may give it in the query, too. */
export function kept() {
  const parts = [location.search, location.hash].map((part) => new URLSearchParams(part.slice(1)));
  return Object.fromEntries(parts.flatMap((part) => [...part]));
}

/** Set fields as a state has them; those that it does not name stay, or have their usual value. */
export function setFields(state, ids = Object.keys(FIELDS)) {
  for (const id of ids) {
    const value = Object.hasOwn(state, id) ? state[id] : FIELDS[id];
    if (value === null) continue;
    const isOffered = !at(id).options || [...at(id).options].some((one) => one.value === value);
    if (isOffered) at(id).value = value;
  }
}

/** Set sigma and reads by layer as a state has them. */
export function setLayers(state) {
  const layers = { sigma: {}, repeats: {} };
  for (const [name, value] of Object.entries(state)) {
    const [kind, ...point] = name.split(".");
    if (BY_LAYER.includes(kind) && point.length) layers[kind][point.join(".")] = value;
  }
  enterLayers(layers);
}
