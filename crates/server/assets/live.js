// Pages that stay up to date: when something happens to a job, the page is fetched again and the parts marked `data-live`
// take the place of what is there. Without this script the pages are the same, as of when they were loaded.
"use strict";
(() => {
  if (!("livePage" in document.body.dataset)) return;
  const sign = document.getElementById("live");
  let timer = 0, busy = false, again = false;

  const named = (element) => element && (element.id ? `#${CSS.escape(element.id)}`
    : element.getAttribute("href") ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : null);

  async function renew() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const focus = named(document.activeElement);
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        if (fresh && fresh.innerHTML !== part.innerHTML) part.replaceChildren(...fresh.childNodes);
      }
      document.body.toggleAttribute("data-running", page.body.hasAttribute("data-running"));
      if (focus && document.activeElement === document.body) document.querySelector(focus)?.focus({ preventScroll: true });
      show(true);
    } catch { show(false); }
    busy = false;
    if (again) { again = false; soon(); }
  }

  const soon = () => { if (!timer) timer = setTimeout(() => { timer = 0; renew(); }, 200); };
  const show = (well) => {
    const words = well ? "live" : "connection lost";
    if (sign.textContent !== words) sign.textContent = words;
    sign.classList.toggle("lost", !well);
  };

  const events = new EventSource("/api/v1/events");
  events.onopen = () => { show(true); soon(); };
  events.onerror = () => show(false);
  for (const kind of ["status", "route", "attempt", "cancel", "retry", "gate", "execution", "settlement", "damaged", "message"])
    events.addEventListener(kind, soon);
  // How far a proof is, is no event: while one is being made, the page is looked at once a second.
  setInterval(() => { if ("running" in document.body.dataset && !document.hidden) soon(); }, 1000);
})();
