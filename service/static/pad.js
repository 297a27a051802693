/** The drawing pad: strokes by mouse, pen, finger or keyboard, and what is sent of them. */

/** Width and height in the pad's own units, whatever its size on the screen. */
export const SIZE = 280;
const PEN = 24;
const KEY_STEP = 10;
const LEAST_STEP = 1.5;
/** Side in pixels of the picture that is sent; the service shrinks it to 20 anyway. */
const SENT_SIDE = 112;

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Draw strokes with a round pen.
 * @param {CanvasRenderingContext2D} context
 * @param {number[][][]} strokes points [x, y] of each stroke, in the pad's units
 * @param {string} ink a colour
 */
function drawStrokes(context, strokes, ink) {
  context.strokeStyle = context.fillStyle = ink;
  context.lineWidth = PEN;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    if (stroke.length === 1) {
      context.arc(...stroke[0], PEN / 2, 0, 2 * Math.PI); // a line of no length paints nothing
      context.fill();
    }
    context.moveTo(...stroke[0]);
    for (const point of stroke) context.lineTo(...point);
    context.stroke();
  }
}

export class Pad {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {(change: {isDrawing: boolean, isWhole: boolean}) => void} onChange called when the
   *   drawing has changed: while a stroke is drawn, or into one that needs no further stroke
   */
  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.strokes = [];
    this.cursor = [SIZE / 2, SIZE / 2];
    this.isDown = false;
    this.isKeyboard = false;
    this.pointer = null;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#go(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.#end(event));
    }
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#leave());
    for (const query of ["(prefers-color-scheme: dark)", `(resolution: ${devicePixelRatio}dppx)`]) {
      matchMedia(query).addEventListener("change", () => this.paint());
    }
    this.paint();
  }

  /** Replace the drawing. */
  load(strokes) {
    this.strokes = strokes.map((stroke) => stroke.map((point) => [...point]));
    this.isDown = false;
    this.#changed(false, true);
  }

  undo() {
    this.strokes.pop();
    this.isDown = false;
    this.#changed(false);
  }

  get isEmpty() {
    return this.strokes.length === 0;
  }

  /** Return the drawing as base64 PNG, black on white. */
  picture() {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SENT_SIDE;
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, SENT_SIDE, SENT_SIDE);
    context.scale(SENT_SIDE / SIZE, SENT_SIDE / SIZE);
    drawStrokes(context, this.strokes, "#000");
    return canvas.toDataURL("image/png").split(",")[1];
  }

  paint() {
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = this.canvas.height = Math.round(SIZE * scale);
    const context = this.canvas.getContext("2d");
    const style = getComputedStyle(this.canvas);
    context.scale(scale, scale);
    drawStrokes(context, this.strokes, style.color);
    if (this.isKeyboard) {
      context.strokeStyle = style.getPropertyValue("--accent");
      context.lineWidth = this.isDown ? 4 : 2;
      context.beginPath();
      context.arc(...this.cursor, PEN / 2 + 2, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  #changed(isDrawing, isWhole = false) {
    this.paint();
    this.onChange({ isDrawing, isWhole });
  }

  #at(event) {
    const box = this.canvas.getBoundingClientRect();
    const within = (value) => Math.min(SIZE, Math.max(0, Math.round(value * 10) / 10));
    return [
      within(((event.clientX - box.left) / box.width) * SIZE),
      within(((event.clientY - box.top) / box.height) * SIZE),
    ];
  }

  #begin(event) {
    if (event.button !== 0 || (this.isDown && !this.isKeyboard)) return; // one finger draws
    event.preventDefault();
    this.pointer = event.pointerId;
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.isKeyboard = false;
    this.isDown = true;
    this.strokes.push([this.#at(event)]);
    this.#changed(true);
  }

  #go(event) {
    if (!this.#draws(event)) return;
    const stroke = this.strokes.at(-1);
    const events = event.getCoalescedEvents?.() ?? [];
    for (const passed of events.length ? events : [event]) {
      const [x, y] = this.#at(passed);
      const [lastX, lastY] = stroke.at(-1);
      if (Math.hypot(x - lastX, y - lastY) >= LEAST_STEP) stroke.push([x, y]);
    }
    this.#changed(true);
  }

  #draws(event) {
    return this.isDown && !this.isKeyboard && event.pointerId === this.pointer;
  }

  #end(event) {
    if (!this.#draws(event)) return;
    this.isDown = false;
    this.#changed(false);
  }

  #leave() {
    if (!this.isKeyboard) return;
    const wasDown = this.isDown;
    this.isDown = this.isKeyboard = false;
    if (wasDown) this.#changed(false);
    else this.paint();
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) this.#move(ARROWS[event.key], event.shiftKey ? 1 : KEY_STEP);
    else if (event.key === " ") this.#togglePen();
    else if (event.key === "Backspace") this.undo();
    else if (event.key === "Delete") this.load([]);
    else return;
    event.preventDefault();
  }

  #move([dx, dy], step) {
    this.isKeyboard = true;
    const within = (value) => Math.min(SIZE, Math.max(0, value));
    this.cursor = [within(this.cursor[0] + dx * step), within(this.cursor[1] + dy * step)];
    if (this.isDown) {
      this.strokes.at(-1).push([...this.cursor]);
      this.#changed(true);
    } else {
      this.paint();
    }
  }

  #togglePen() {
    this.isKeyboard = true;
    this.isDown = !this.isDown;
    if (this.isDown) this.strokes.push([[...this.cursor]]);
    this.#changed(this.isDown);
  }
}
