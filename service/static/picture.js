/** A picture of one's own: chosen, dropped or pasted, sent byte by byte as it is. */

const FILES = "Files";

/** Return the content of a file as base64, and what shows it. */
async function contentOf(file) {
  const shown = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  return { shown, base64: shown.slice(shown.indexOf(",") + 1) };
}

export class OwnPicture {
  /**
   * @param {HTMLInputElement} chooser of a file
   * @param {HTMLImageElement} preview
   * @param {() => boolean} isTaken whether pictures are taken now
   * @param {(error?: Error) => void} onChange called when there is another picture, or it failed
   */
  constructor(chooser, preview, isTaken, onChange) {
    this.chooser = chooser;
    this.preview = preview;
    this.onChange = onChange;
    this.base64 = null;
    chooser.addEventListener("change", () => this.#take(chooser.files[0]));
    document.addEventListener("paste", ({ clipboardData }) => {
      const [file] = clipboardData?.files ?? [];
      if (file && isTaken()) this.#take(file, false);
    });
    document.addEventListener("dragover", (event) => {
      if (event.dataTransfer?.types.includes(FILES)) event.preventDefault();
    });
    document.addEventListener("drop", (event) => {
      if (!event.dataTransfer?.types.includes(FILES)) return;
      event.preventDefault(); // else the browser would show the file instead of the page
      if (isTaken()) this.#take(event.dataTransfer.files[0]);
    });
  }

  get isEmpty() {
    return this.base64 === null;
  }

  /** Forget the picture. */
  clear() {
    this.base64 = this.file = null;
    this.chooser.value = "";
    this.preview.removeAttribute("src");
  }

  async #take(file, isOnDisk = true) {
    if (!file) return;
    try {
      const { shown, base64 } = await contentOf(file);
      this.base64 = base64;
      this.file = isOnDisk ? file.name : null;
      this.preview.alt = `Own picture: ${file.name}`;
      this.preview.src = shown;
      this.onChange();
    } catch (error) {
      this.onChange(error);
    }
  }
}
