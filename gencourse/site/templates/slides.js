// Divide what is too tall for the screen, shrink what cannot be divided, then start reveal.js.
(function () {
  const WIDTH = 1280, HEIGHT = 720, SMALLEST = 0.8;

  // Pieces of one slide, packed into as many slides as they need at SMALLEST size.
  function divide(section) {
    const pieces = Array.from(section.children);
    let tall = 0, part = section;
    const room = (HEIGHT - 40) / SMALLEST;
    for (const piece of pieces) {
      const height = piece.offsetHeight + 10;
      if (tall && tall + height > room) {
        const next = document.createElement("section");
        part.after(next);
        part = next;
        tall = 0;
      }
      if (part !== section) part.appendChild(piece);
      tall += height;
    }
  }

  // Everything on one slide, scaled until it is neither too tall nor too wide.
  function fit(section) {
    const box = document.createElement("div");
    box.className = "fit";
    box.append(...section.childNodes);
    section.appendChild(box);
    const wide = Math.max(box.scrollWidth, ...Array.from(box.querySelectorAll("pre, table, mjx-container"), (e) => e.scrollWidth));
    const scale = Math.min(1, (HEIGHT - 40) / box.offsetHeight, (WIDTH - 80) / wide);
    if (scale < 1) {
      box.style.transform = `scale(${scale})`;
      box.style.width = `${(WIDTH - 80) / scale}px`;
      // a wider box may be shorter: keep the scale, which then leaves room
    }
    section.dataset.scale = scale.toFixed(3);
  }

  MathJax.startup.promise.then(function () {
    const reveal = document.querySelector(".reveal");
    reveal.classList.add("measuring");
    document.querySelectorAll(".slides > section > section").forEach(divide);
    document.querySelectorAll(".slides > section > section").forEach(fit);
    reveal.classList.remove("measuring");
    Reveal.initialize({
      width: WIDTH, height: HEIGHT, margin: 0, minScale: 0.2, maxScale: 3, center: false,
      hash: true, slideNumber: "c/t", transition: "none", plugins: [RevealNotes],
    });
  });
})();
