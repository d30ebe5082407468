import { defineConfig } from "vite";
import { CONTENT_SECURITY_POLICY } from "./policy.js";

// The API is reached through the page's own origin, as behind a reverse proxy: no CORS, and its
// cookie stays with this host.
const proxy = { "/v1": process.env.ITSCHOOL_URL ?? "http://127.0.0.1:8000" };
const server = { host: "127.0.0.1", port: Number(process.env.PORT ?? 5173), strictPort: true, proxy };

export default defineConfig({
  build: { target: "es2022", modulePreload: { polyfill: false }, assetsInlineLimit: 0 },
  server,
  preview: {
    ...server,
    headers: {
      "Content-Security-Policy": CONTENT_SECURITY_POLICY,
      "Referrer-Policy": "no-referrer",
      "X-Content-Type-Options": "nosniff",
    },
  },
});
