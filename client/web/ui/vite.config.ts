import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import { defineConfig, type Plugin } from "vite";

/** What most visits never need: it comes when it is opened. */
const LATER = "views/(Devices|Invite|Menu)|texts/de";

/** Beside each text file the same compressed, for a server that sends it as it is. */
function compressed(): Plugin {
  let folder = "";
  return {
    name: "compressed",
    apply: "build",
    configResolved: ({ root, build }) => {
      folder = join(root, build.outDir);
    },
    closeBundle: () => {
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (!/\.(js|css|html|svg|webmanifest)$/.test(entry.name)) continue;
        const file = join(entry.parentPath, entry.name);
        writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [compressed()],
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
