import { afterEach, beforeEach, expect, test, vi } from "vitest";

class Socket {
  static last: Socket;
  onmessage = (_: { data: string }): void => undefined;
  onclose = (): void => undefined;
  isClosed = false;

  constructor() {
    Socket.last = this;
  }

  close(): void {
    this.isClosed = true;
  }

  tell(message: unknown): void {
    this.onmessage({ data: JSON.stringify(message) });
  }
}

beforeEach(() => {
  const location = { protocol: "http:", host: "127.0.0.1" };
  vi.stubGlobal("window", { location, setTimeout: () => 1, clearTimeout: () => 1 });
  vi.stubGlobal("WebSocket", Socket);
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});
afterEach(() => vi.unstubAllGlobals());

const state = {
  process: { is_running: true, is_wanted: true, restarts: 0, problem: "" },
  kill: null,
  engine: null,
};

async function opened() {
  const { StateStream } = await import("./stream");
  const stream = new StateStream("ws://127.0.0.1", () => undefined);
  stream.open();
  return stream;
}

test("a listener that throws keeps no other from being told", async () => {
  const stream = await opened();
  let heard = 0;
  stream.subscribe(() => {
    throw new Error("a chart fails");
  });
  stream.subscribe(() => (heard += 1));
  Socket.last.tell({ type: "snapshot", sequence: 1, state });
  Socket.last.tell({ type: "delta", sequence: 2, patch: {} });
  expect([heard, stream.look().isConnected]).toEqual([2, true]);
});

test("a message that nobody understands asks for a new snapshot", async () => {
  const stream = await opened();
  Socket.last.tell({ type: "snapshot", sequence: 1, state });
  Socket.last.tell({ type: "delta", sequence: 2, patch: "nonsense" });
  expect(Socket.last.isClosed).toBe(true);
  expect(stream.look().status).toEqual(state);
});
