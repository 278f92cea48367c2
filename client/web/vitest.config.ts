import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      { test: { name: "core", include: ["core/test/unit/**/*.test.ts"], environment: "node" } },
      {
        // Against a real server, which each file starts for itself.
        test: {
          name: "server",
          include: ["core/test/server/**/*.test.ts"],
          environment: "node",
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
        test: { name: "ui", include: ["ui/test/**/*.test.{ts,tsx}"], environment: "jsdom" },
      },
    ],
    passWithNoTests: false,
  },
});
