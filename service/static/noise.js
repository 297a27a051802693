/** Under which noise votes are cast: that of a sigma, or an analog device with its chip and age. */

const at = (id) => document.getElementById(id);

let offered = [];

/** Offer these devices, as the service lists them. */
export function offerDevices(devices) {
  offered = devices;
  const names = devices.map(({ name }) => new Option(name, name));
  at("device").replaceChildren(new Option("none: noise of a sigma", ""), ...names);
}

/** Return the chosen device; nothing if none is. */
function chosen() {
  return at("device").disabled ? undefined : offered.find(({ name }) => name === at("device").value);
}

/** Return whether a device says itself what its reads cost: latency and energy. */
export function tellsCosts() {
  const cost = chosen()?.cost;
  const energies = ["tile_energy_j", "mac_energy_j", "adc_energy_j", "dac_energy_j"];
  return Boolean(cost?.tile_latency_s && energies.some((name) => cost[name]));
}

/** Return the fields of a request for noise of a kind, or for the chosen device. */
export function noiseFields(kind) {
  const device = chosen();
  if (!device) return { noise: kind, sigma: at("sigma").valueAsNumber };
  const fields = { device: device.name };
  if (!at("chip").disabled) fields.chip = at("chip").valueAsNumber;
  if (!at("age").disabled) fields.age_s = at("age").valueAsNumber;
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
  const device = chosen();
  show("chip", Boolean(device?.effects.includes("frozen")));
  show("age", Boolean(device?.effects.includes("ages")));
  for (const id of ["sigma", "snr"]) show(id, !device);
  at("sigma-slider").disabled = Boolean(device);
  at("latency").disabled = at("energy").disabled = tellsCosts();
  if (!device) return;
  [at("age").min, at("age").max] = device.ages_s;
  if (isAnother) [at("age").value] = device.ages_s;
}

/** Say what SNR the sigma means. */
export function showSnr(kind) {
  const sigma = at("sigma").valueAsNumber;
  let text = `${(-20 * Math.log10(sigma)).toFixed(1).replace("-0.0", "0.0")} dB`;
  if (!(sigma >= 0)) text = "–";
  else if (sigma === 0) text = "no noise";
  else if (kind === "additive") text = "depends on the signal's power";
  at("snr").textContent = text.replace("-", "\u2212");
}
