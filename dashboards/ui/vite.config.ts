import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const API = "http://127.0.0.1:8080";

/** The page is served by the API itself, under a policy without inline scripts. */
export default defineConfig({
  plugins: [react()],
  base: "/",
  build: {
    outDir: "../../api/http/page",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    host: "127.0.0.1",
    proxy: Object.fromEntries(
      ["/engine", "/scanner", "/history", "/config", "/session", "/health"].map(
        (path) => [path, { target: API, ws: true, changeOrigin: true }],
      ),
    ),
  },
  test: { include: ["src/**/*.test.ts"] },
});
