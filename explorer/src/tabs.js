/** Tabs by arrow keys and clicks; what a tab shows is made when it is first opened. */

/**
 * @param {Record<string, (panel: HTMLElement) => void>} makers by id of the panel
 */
export function tabs(makers) {
  const buttons = /** @type {HTMLElement[]} */ ([...document.querySelectorAll('[role="tab"]')]);
  const made = new Set();
  /** @param {HTMLElement} chosen */
  const open = (chosen) => {
    for (const button of buttons) {
      const isOpen = button === chosen;
      const id = button.getAttribute("aria-controls") ?? "";
      const panel = document.getElementById(id);
      button.setAttribute("aria-selected", String(isOpen));
      button.tabIndex = isOpen ? 0 : -1;
      if (panel === null) continue;
      panel.hidden = !isOpen;
      if (isOpen && id in makers && !made.has(id)) {
        made.add(id);
        makers[id](panel);
      }
    }
    const title = document.querySelector("h1");
    if (title) title.textContent = chosen.dataset.title ?? title.textContent;
  };
  buttons.forEach((button, at) => {
    button.addEventListener("click", () => open(button));
    button.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (step === undefined) return;
      const next = buttons[(at + step + buttons.length) % buttons.length];
      next.focus();
      open(next);
    });
  });
}
