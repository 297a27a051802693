/** Under which noise votes are cast: that of a sigma, or an analog device with its chip and age. */

import { readsByLayer, showLayers, sigmaByLayer } from "./layers.js";

const at = (id) => document.getElementById(id);

let offered = [];

/** Offer these devices, as the service lists them. */
export function offerDevices(devices) {
  offered = devices;
  const names = devices.map(({ name }) => new Option(name, name));
  at("device").replaceChildren(new Option("none: noise of a sigma", ""), ...names);
}

/** Return the chosen device; nothing if none is. */
export function chosenDevice() {
  return at("device").disabled ? undefined : offered.find(({ name }) => name === at("device").value);
}

/** Return whether a device says itself what its reads cost: latency and energy. */
export function tellsCosts() {
  const cost = chosenDevice()?.cost;
  const energies = ["tile_energy_j", "mac_energy_j", "adc_energy_j", "dac_energy_j"];
  return Boolean(cost?.tile_latency_s && energies.some((name) => cost[name]));
}

/** Return the fields of a request for the noise of a network's kind, or for the chosen device. */
export function noiseFields(card) {
  const device = chosenDevice();
  const repeats = readsByLayer();
  const reads = repeats ? { repeats } : {};
  if (!device) {
    const sigma = sigmaByLayer(card, at("sigma").valueAsNumber);
    return { noise: card?.noise.kind, sigma, ...reads };
  }
  const fields = { device: device.name, ...reads };
  if (!at("chip").disabled) fields.chip = at("chip").valueAsNumber;
  if (!at("chips").disabled && at("chips").value !== "1") fields.chips = at("chips").valueAsNumber;
  if (!at("age").disabled) fields.age_s = at("age").valueAsNumber;
  const warmth = at("temperature");
  if (!warmth.disabled && warmth.value !== "") fields.temperature_c = warmth.valueAsNumber;
  return fields;
}

/** Show an input with its label, or hide both; what is hidden is neither checked nor sent. */
function show(id, isShown) {
  const parts = [at(id).closest(".pair") ?? at(id), document.querySelector(`label[for="${id}"]`)];
  for (const part of parts) part.hidden = !isShown;
  at(id).disabled = !isShown;
}

/** Offer devices to a network that is ready for them, and the youngest age of another device. */
export function showDevices(card, isAnother) {
  show("device", Boolean(card?.devices) && offered.length > 0);
  const device = chosenDevice();
  for (const id of ["chip", "chips"]) show(id, Boolean(device?.effects.includes("frozen")));
  show("age", Boolean(device?.effects.includes("ages")));
  show("temperature", Boolean(device?.effects.includes("temperature")));
  for (const id of ["sigma", "snr"]) show(id, !device);
  at("sigma-slider").disabled = Boolean(device);
  at("latency").disabled = at("energy").disabled = tellsCosts();
  showLayers(card, Boolean(device));
  if (!device) return;
  [at("age").min, at("age").max] = device.ages_s;
  if (!isAnother) return;
  [at("age").value] = device.ages_s;
  at("temperature").value = "";
}

/** Say what SNR the sigma means. */
export function showSnr(kind, sigma) {
  let text = `${(-20 * Math.log10(sigma)).toFixed(1).replace("-0.0", "0.0")} dB`;
  if (typeof sigma === "object") text = "differs by layer";
  else if (!(sigma >= 0)) text = "–";
  else if (sigma === 0) text = "no noise";
  else if (kind === "additive") text = "depends on the signal's power";
  at("snr").textContent = text.replace("-", "\u2212");
}
