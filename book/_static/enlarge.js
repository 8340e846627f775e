// A click on a figure, or Enter on it, shows it as large as the window; another one closes it.
"use strict";
(() => {
  const dialog = document.createElement("dialog");
  const large = document.createElement("img");
  dialog.className = "enlarged";
  dialog.append(large);
  dialog.addEventListener("click", () => dialog.close());
  for (const image of document.querySelectorAll("article figure img")) {
    image.tabIndex = 0;
    image.classList.add("enlargeable");
    const show = () => {
      large.src = image.src;
      large.alt = image.alt;
      if (!dialog.isConnected) document.body.append(dialog);
      dialog.showModal();
    };
    image.addEventListener("click", show);
    image.addEventListener("keydown", event => { if (event.key === "Enter") show(); });
  }
})();
