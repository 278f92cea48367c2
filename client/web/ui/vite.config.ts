import { defineConfig } from "vite";

export default defineConfig({
  // Relative: the page works under whatever prefix a proxy puts it.
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    target: "es2022",
    // The polyfill would be a script of its own in the page, which a strict CSP refuses.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
});
