import { defineConfig } from "vite";

/** What most visits never need: it comes when it is opened. */
const LATER = "views/(Devices|Invite|Menu)|texts/de";

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
    rolldownOptions: {
      output: {
        // What the first view needs, in one file: a dozen small ones compress worse and come later.
        codeSplitting: {
          groups: [
            {
              name: "page",
              test: new RegExp(`node_modules/@?preact|core/src/(?!mqtt/)|ui/src/(?!${LATER})`),
            },
          ],
        },
      },
    },
  },
});
