// Opens the terminal of textual-serve once its font is here, and says why it ended when it does.
"use strict";

(() => {
  const AGAIN = 1000; // milliseconds between two looks: whether the server is back, which ground is drawn
  const WORDS = {
    1000: "You left the dashboard. The engine goes on as it did.",
    4001: "The dashboard ended by an error. The terminal of the server says more.",
    4002: "Too many windows are open. Close one of them.",
  };
  const terminal = document.getElementById("terminal");
  const said = document.getElementById("said");
  const again = document.getElementById("again");

  function ended(code) {
    said.textContent = WORDS[code] ?? "The server is away. This page opens again when it answers.";
    again.hidden = !(code in WORDS);
    if (code in WORDS) again.focus();
    else setTimeout(look, AGAIN);
  }

  function look() {
    fetch("alive", { cache: "no-store" }).then(
      () => location.reload(),
      () => setTimeout(look, AGAIN),
    );
  }

  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    constructor(...given) {
      super(...given);
      this.addEventListener("close", (event) => ended(event.code));
      window.addEventListener("pagehide", () => this.close()); // a browser may keep pages that were left
    }
  };

  function focus() {
    if (!document.body.classList.contains("-closed")) {
      document.querySelector(".xterm-helper-textarea")?.focus();
    }
  }

  // The strip below the last line, which has no room for another, goes with it.
  function blend() {
    const drawn = terminal.querySelector("canvas.xterm-text-layer");
    if (!drawn?.height) return;
    const [red, green, blue, alpha] = drawn.getContext("2d").getImageData(1, drawn.height - 2, 1, 1).data;
    if (alpha) terminal.style.background = `rgb(${red} ${green} ${blue})`;
  }

  terminal.dataset.sessionWebsocketUrl = new URL("ws", location.href).href.replace(/^http/, "ws");
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  again.addEventListener("click", () => location.reload());
  window.addEventListener("focus", focus);

  const open = window.onload; // of textual.js
  window.onload = null;
  const fonts = ["", "bold ", "italic "].map((how) => document.fonts.load(`${how}15px "Roboto Mono"`));
  Promise.allSettled(fonts).then(() => {
    open();
    focus();
    setInterval(blend, AGAIN);
  });
})();
