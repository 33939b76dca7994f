// What pages do beyond HTML: count down, look again, take dropped files, show how far an upload is.
// Every page is complete without this file.
"use strict";

(() => {
  const say = (element, text) => { if (element) element.textContent = text; };

  // --- Countdowns: by the server's clock; the visitor's only says how long the page has been open (and goes on while a
  // laptop sleeps, which performance.now() may not).
  const inWords = (seconds) => {
    const plural = (count, unit) => `${count} ${unit}${count === 1 ? "" : "s"}`;
    const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24;
    const minutes = Math.floor(seconds / 60) % 60, rest = Math.floor(seconds) % 60;
    if (days) return `${plural(days, "day")} ${hours} h`;
    if (hours) return `${hours} h ${minutes} min`;
    return minutes ? `${minutes} min ${rest} s` : `${rest} s`;
  };

  const opened = Date.now();
  const count = () => {
    const now = Number(document.body.dataset.now) + (Date.now() - opened) / 1000;
    for (const element of document.querySelectorAll("[data-until]")) {
      const left = Number(element.dataset.until) - now;
      // A part of the page that looks again has something new to tell within a minute; other pages do not know.
      say(element, left > 0 ? `in ${inWords(left)}` : left > -60 ? "now" : "now (load the page again)");
    }
  };
  setInterval(count, 1000);
  count();

  // --- Looking again: the server answers 304 while nothing has changed.
  const tags = new WeakMap();
  document.addEventListener("htmx:configRequest", (event) => {
    const tag = tags.get(event.detail.elt);
    if (tag) event.detail.headers["If-None-Match"] = tag;
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr, target } = event.detail;
    if (!target.hasAttribute("data-live") || xhr.status !== 200) return;
    if (!xhr.getResponseHeader("SRS-Part")) {
      event.detail.shouldSwap = false; // logged out in the meantime, say: the whole page has to be asked for
      location.reload();
    }
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const { xhr, target } = event.detail;
    const fresh = target.id ? document.getElementById(target.id) : null;
    const tag = xhr.getResponseHeader("ETag");
    if (fresh && tag) tags.set(fresh, tag);
    const said = document.getElementById("said");
    if (fresh && fresh.dataset.said && said.textContent !== fresh.dataset.said) say(said, fresh.dataset.said);
    count();
  });

  // --- Uploads.
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  const chosen = (form) => {
    const input = form.querySelector("input[type=file]"), file = input.files[0];
    const answer = form.querySelector(".upload-answer"), button = form.querySelector("button[type=submit]");
    const limit = Number(form.dataset.maxBytes);
    const isTooLarge = Boolean(file) && file.size > limit;
    button.disabled = isTooLarge;
    answer.classList.toggle("text-danger-emphasis", isTooLarge);
    if (!file) say(answer, "");
    else say(answer, isTooLarge
      ? `${file.name} has ${megabytes(file.size)}; at most ${megabytes(limit)} can be sent. Compress it, or send Parquet.`
      : `${file.name}, ${megabytes(file.size)}, is ready to be sent.`);
  };
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form.upload");
    if (form && event.target.type === "file") chosen(form);
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const form = event.target.closest ? event.target.closest("form.upload") : null;
      if (!form) return;
      event.preventDefault();
      form.classList.toggle("is-over", kind === "dragenter" || kind === "dragover");
      if (kind !== "drop" || !event.dataTransfer.files.length) return;
      const one = new DataTransfer();
      one.items.add(event.dataTransfer.files[0]);
      form.querySelector("input[type=file]").files = one.files;
      chosen(form);
    });
  }
  const parts = (event) => {
    const form = event.target.closest("form.upload");
    return form && { form, bar: form.querySelector("progress"), answer: form.querySelector(".upload-answer") };
  };
  document.addEventListener("htmx:xhr:progress", (event) => {
    const found = parts(event);
    if (!found || !event.detail.lengthComputable || !event.detail.total) return;
    const share = event.detail.loaded / event.detail.total;
    found.bar.hidden = false;
    found.bar.value = share;
    say(found.answer, share < 1 ? `${Math.floor(share * 100)} % sent` : "Sent; waiting for the receipt");
  });
  const failed = (event, text) => {
    const found = parts(event);
    if (!found) return;
    found.bar.hidden = true;
    say(found.answer, text);
  };
  document.addEventListener("htmx:sendError", (event) => failed(
    event, "The connection was lost. Press the button again: it is received once, however often it is sent."));
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr } = event.detail;
    const isOurs = (xhr.getResponseHeader("Content-Type") || "").startsWith("text/plain"); // not a proxy's page
    failed(event, isOurs ? xhr.responseText : `The file was not received: the server answered ${xhr.status}. Try again.`);
  });

  // --- A page that a browser has kept and shows again (Back) is an old one: its form has been sent, its times are past.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
