/** The engine's state as it changes: a snapshot, then merge patches. */

import { useSyncExternalStore } from "react";

import { type Known, UNKNOWN, learned } from "./known";
import { type Json, merged } from "./merge";
import type { Engine, Status } from "./types";

interface Message {
  type: "snapshot" | "delta";
  sequence: number;
  state?: Json;
  patch?: Json;
}

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 4_000;
/** The API says something each second; a connection that says nothing is dead. */
const SILENT_MS = 3_000;

/** Follows the stream, and connects again until it is closed. */
export class StateStream {
  private known: Known = UNKNOWN;
  private readonly listeners = new Set<() => void>();
  private socket: WebSocket | null = null;
  private sequence = 0;
  private waitMs = FIRST_WAIT_MS;
  private timer = 0;
  private silence = 0;

  constructor(
    private readonly url: string,
    private readonly onLost: () => void,
  ) {}

  open(): void {
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      this.listen(socket);
      try {
        this.take(JSON.parse(String(event.data)) as Message);
      } catch (error) {
        console.error("The stream told what nobody understands", error);
        socket.close(); // a new snapshot may help
      }
    };
    socket.onclose = () => this.lose(socket);
    this.listen(socket);
  }

  close(): void {
    window.clearTimeout(this.timer);
    window.clearTimeout(this.silence);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.tell({ ...this.known, isConnected: false });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly look = (): Known => this.known;

  private listen(socket: WebSocket): void {
    window.clearTimeout(this.silence);
    this.silence = window.setTimeout(() => this.lose(socket), SILENT_MS);
  }

  private lose(socket: WebSocket): void {
    if (this.socket !== socket) return;
    this.close();
    this.tell({ ...this.known, isConnected: false });
    this.onLost();
    this.timer = window.setTimeout(() => this.open(), this.waitMs);
    this.waitMs = Math.min(this.waitMs * 2, LONGEST_WAIT_MS);
  }

  private take(message: Message): void {
    const isNext = message.sequence === this.sequence + 1;
    if (message.type === "delta" && !isNext) {
      this.socket?.close(); // a hole: only a new snapshot helps
      return;
    }
    this.sequence = message.sequence;
    this.waitMs = FIRST_WAIT_MS;
    const before = this.known.status as unknown as Json;
    const after = message.state ?? merged(before, message.patch ?? {});
    this.tell(learned(this.known, after as unknown as Status, Date.now()));
  }

  private tell(known: Known): void {
    this.known = known;
    for (const listener of this.listeners) {
      try {
        listener();
      } catch (error) {
        console.error("A part of the page failed", error); // the others are told
      }
    }
  }
}

const scheme = window.location.protocol === "https:" ? "wss" : "ws";

let onLost = (): void => undefined;

/** The stream of the page. */
export const stream = new StateStream(
  `${scheme}://${window.location.host}/engine/stream`,
  () => onLost(),
);

/** Tell who is to be told when the stream is lost. */
export function whenLost(listener: () => void): void {
  onLost = listener;
}

/** A part of what is known; renders again only when that part has changed. */
export function useKnown<T>(select: (known: Known) => T): T {
  return useSyncExternalStore(stream.subscribe, () => select(stream.look()));
}

/** A part of the engine's state as last heard; undefined where none ever was. */
export function useEngine<T>(select: (engine: Engine) => T): T | undefined {
  return useKnown((known) => (known.engine ? select(known.engine) : undefined));
}
