"use strict";
(() => {
  const root = document.documentElement;
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  // A plot is drawn when it comes near the window; until then, on paper and without scripts its picture stands there.
  async function draw(place) {
    const spec = charts.specs[place.dataset.chart];
    const still = place.parentElement.querySelector(".still");
    place.hidden = false;
    try {
      await vegaEmbed(place, spec, {
        mode: "vega-lite", actions: false, ast: true, renderer: "svg", config: charts.config,
      });
      still.style.display = "none";
    } catch (error) {
      place.hidden = true;
      still.style.display = "";
      console.error(error);
    }
  }

  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        near.unobserve(entry.target);
        draw(entry.target.querySelector("[data-chart]"));
      }
    }
  }, { rootMargin: "600px" });
  document.querySelectorAll("figure.plot").forEach((figure) => near.observe(figure));

  const toggle = document.getElementById("theme");
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
  });

  // A click on a column's name sorts by it, a second one turns the order round.
  for (const table of document.querySelectorAll("table")) {
    const body = table.tBodies[0];
    if (body.rows.length < 3) continue;
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => {
          const cell = row.cells[column];
          return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
        };
        const order = (a, b) => {
          const [x, y] = [value(a), value(b)];
          if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
          const found = typeof x === "number" ? x - y : x.localeCompare(y);
          return down ? -found : found;
        };
        body.append(...[...body.rows].sort(order));
      });
    });
  }
})();
