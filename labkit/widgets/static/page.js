// Stands in for the notebook's widget manager on a plain page: keeps the values, tells who listens, sends nothing.
class PageModel {
  constructor(values, buffers) {
    this.values = values;
    this.listeners = {};
    for (const [key, text] of Object.entries(buffers)) {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      values[key] = new DataView(bytes.buffer);
    }
  }
  get(key) { return this.values[key]; }
  set(key, value) {
    this.values[key] = value;
    for (const listener of this.listeners[`change:${key}`] ?? []) listener();
  }
  on(event, listener) { (this.listeners[event] ??= []).push(listener); }
  off(event, listener) { this.listeners[event] = (this.listeners[event] ?? []).filter((one) => one !== listener); }
  save_changes() {}
  send() {}
}
