"""What the page does: sorting, filtering, pointing at things, light and dark. It works without, too."""

from __future__ import annotations

__all__ = ["SCRIPT"]

SCRIPT = """"use strict";
(() => {
  const root = document.documentElement, all = (what, where) => [...(where || document).querySelectorAll(what)];
  root.classList.add("js");

  const theme = document.querySelector(".theme");
  const system = matchMedia("(prefers-color-scheme:dark)");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  const tell = () => { theme.textContent = dark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; tell(); });
  system.addEventListener("change", tell);
  tell();

  for (const table of all("table.layers")) {
    const body = table.tBodies[0], first = [...body.rows], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
      const text = head.classList.contains("text");
      const next = { none: text ? "ascending" : "descending", ascending: text ? "descending" : "none",
        descending: text ? "none" : "ascending" }[head.getAttribute("aria-sort") || "none"];
      heads.forEach(one => one.removeAttribute("aria-sort"));
      if (next === "none") { body.append(...first); return; }
      head.setAttribute("aria-sort", next);
      const sign = next === "ascending" ? 1 : -1;
      const value = row => row.cells[column].dataset.v ?? (text ? row.cells[column].textContent : "");
      body.append(...[...first].sort((a, b) => {
        const one = value(a), two = value(b), none = x => x === undefined || x === "";
        if (none(one) || none(two)) return none(one) - none(two);
        return sign * (text ? one.localeCompare(two, "en", { numeric: true }) : one - two);
      }));
    }));
  }

  for (const input of all("input[data-filter]")) {
    const rows = all("tbody tr, li", document.getElementById(input.dataset.filter));
    const names = new Map(rows.map(row => {
      const name = row.firstElementChild;
      return [row, `${name.title} ${name.textContent}`.toLowerCase()];
    }));
    const status = input.parentElement.querySelector("output");
    const show = () => {
      const wanted = input.value.trim().toLowerCase();
      let count = 0;
      for (const row of rows) { row.hidden = !names.get(row).includes(wanted); count += !row.hidden; }
      status.textContent = `${count} of ${rows.length}`;
    };
    input.addEventListener("input", show);
    show();
  }

  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  const show = (target, x, y) => {
    tip.textContent = target.dataset.tip || target.getAttribute("aria-label");
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(6, Math.min(x + 14, innerWidth - box.width - 6))}px`;
    tip.style.top = `${y + box.height + 24 > innerHeight ? y - box.height - 12 : y + 18}px`;
  };
  document.addEventListener("pointermove", event => {
    const target = event.target.closest("[data-tip]");
    if (target) show(target, event.clientX, event.clientY); else hide();
  });
  document.addEventListener("focusin", event => {
    const target = event.target.closest("[data-tip]");
    if (!target) { hide(); return; }
    const box = target.getBoundingClientRect();
    show(target, box.right, box.top);
  });
  document.addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
  document.addEventListener("scroll", hide, { passive: true, capture: true });
})();
"""
