"use strict";
(() => {
  const box = document.getElementById("search");
  const told = document.getElementById("found");
  const messages = [...document.querySelectorAll("details.m")];
  const texts = messages.map((one) => one.textContent.toLowerCase());
  const opened = messages.map((one) => one.open);
  const links = [...document.querySelectorAll("svg.ladder a")];
  const parts = [...document.querySelectorAll("section.conversation")];

  const search = () => {
    const wanted = box.value.trim().toLowerCase();
    const hits = new Set();
    messages.forEach((one, place) => {
      const fits = texts[place].includes(wanted);
      one.hidden = !fits;
      one.open = wanted ? fits : opened[place];
      if (fits) hits.add("#" + one.id);
    });
    for (const link of links) {
      link.classList.toggle("off", !link.dataset.m.split(" ").some((one) => hits.has("#" + one)));
    }
    for (const part of parts) {
      part.hidden = wanted !== "" && !part.querySelector("details.m:not([hidden])");
    }
    told.textContent = wanted ? `${hits.size} of ${messages.length} messages` : "";
  };
  let waiting = 0;
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(search, texts.length > 500 ? 150 : 0);
  });
  document.getElementById("tools").hidden = false;

  const all = document.getElementById("all");
  all.addEventListener("click", () => {
    const open = messages.some((one) => !one.hidden && !one.open);
    for (const one of messages) if (!one.hidden) one.open = open;
  });

  const show = () => {
    const one = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!one || !one.matches("details.m")) return;
    if (one.hidden) {
      box.value = "";
      search();
    }
    one.open = true;
    one.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", show);
  show();

  let before = [];
  addEventListener("beforeprint", () => {
    before = messages.map((one) => one.open);
    for (const one of messages) one.open = true;
  });
  addEventListener("afterprint", () => messages.forEach((one, place) => (one.open = before[place])));
})();
