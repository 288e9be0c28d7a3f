/** What is running, how true its data is, and the red button. */

import { useEffect, useState } from "react";

import { logout } from "../api/client";
import { useEngine, useKnown } from "../api/stream";
import type { Session } from "../api/types";
import { age, clockSeconds, duration } from "../lib/format";
import { KillSwitch } from "./KillSwitch";
import { Badge } from "./Parts";

/** Now, to a fraction of a second; for ages of what is not heard any more. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), everyMs);
    return () => window.clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** One word for what the engine does. */
export function useActivity(): { word: string; tone: string; why: string } {
  const isConnected = useKnown((known) => known.isConnected);
  const standing = useKnown((known) => known.status?.process);
  const engine = useKnown((known) => known.status?.engine);
  if (!isConnected) return { word: "DISCONNECTED", tone: "bad", why: "" };
  if (!engine) {
    const word = standing?.is_wanted ? "STARTING" : "STOPPED";
    return { word, tone: "warn", why: standing?.problem ?? "" };
  }
  if (engine.killed) return { word: "KILLED", tone: "bad", why: engine.killed.detail };
  if (engine.is_flattening) return { word: "FLATTENING", tone: "warn", why: "" };
  if (engine.is_paused) return { word: "PAUSED", tone: "warn", why: "" };
  return { word: "TRADING", tone: "good", why: "" };
}

function DataAge() {
  const now = useNow(250);
  const isConnected = useKnown((known) => known.isConnected);
  const heardAt = useKnown((known) => known.heardAt);
  const dataAge = useEngine((engine) => engine.data_age_ms);
  const told = isConnected ? dataAge : heardAt ? now - heardAt : null;
  const isOld = !isConnected || (told ?? 0) > 3_000;
  return (
    <dd className={isOld ? "loss" : ""} data-name="data-age">
      {age(told)}
    </dd>
  );
}

const LIGHT = matchMedia("(prefers-color-scheme: light)");
const KEPT = "mft.theme";

/** The theme that was chosen, else the system's as it changes. */
function useTheme(): [string, (theme: string) => void] {
  const [chosen, setChosen] = useState(localStorage.getItem(KEPT));
  const [system, setSystem] = useState(LIGHT.matches ? "light" : "dark");
  const theme = chosen ?? system;
  useEffect(() => {
    const follow = (): void => setSystem(LIGHT.matches ? "light" : "dark");
    LIGHT.addEventListener("change", follow);
    return () => LIGHT.removeEventListener("change", follow);
  }, []);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  const choose = (wanted: string): void => {
    localStorage.setItem(KEPT, wanted);
    setChosen(wanted);
  };
  return [theme, choose];
}

function ThemeButton() {
  const [theme, choose] = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  return (
    <button type="button" onClick={() => choose(other)} aria-label={`${other} theme`}>
      {theme === "dark" ? "☀" : "☾"}
    </button>
  );
}

export function StatusBar(props: {
  session: Session;
  screen: string;
  onLogout: () => void;
}) {
  const mode = useEngine((engine) => engine.mode);
  const books = useEngine((engine) => engine.books);
  const latency = useEngine((engine) => engine.latency);
  const nowNs = useEngine((engine) => engine.now_ns);
  const activity = useActivity();
  const states = Object.values(books ?? {}).map((book) => book.state);
  const synced = states.filter((state) => state === "SYNCED").length;
  return (
    <header className="bar">
      <strong className="brand">mft</strong>
      <nav aria-label="Screens">
        <a href="#/" aria-current={props.screen === "bot" ? "page" : undefined}>
          Bot
        </a>
        <a
          href="#/scanner"
          aria-current={props.screen === "scanner" ? "page" : undefined}
        >
          Scanner
        </a>
      </nav>
      <Badge tone={mode === "live" ? "bad" : "plain"} name="mode">
        {(mode ?? "no engine").toUpperCase()}
      </Badge>
      <Badge tone={activity.tone} name="activity">
        {activity.word}
      </Badge>
      <dl className="facts">
        <div>
          <dt>Books</dt>
          <dd className={synced < states.length ? "loss" : ""} data-name="synced">
            {states.length ? `${synced}/${states.length}` : "–"}
          </dd>
        </div>
        <div>
          <dt>Data age</dt>
          <DataAge />
        </div>
        <div>
          <dt>Latency p50 / p99</dt>
          <dd>
            {latency?.views
              ? `${duration(latency.p50_ns)} / ${duration(latency.p99_ns)}`
              : "–"}
          </dd>
        </div>
        <div>
          <dt>Engine clock (UTC)</dt>
          <dd>{nowNs ? clockSeconds(nowNs) : "–"}</dd>
        </div>
      </dl>
      <div className="tools">
        <ThemeButton />
        <button
          type="button"
          title={`Logged in as ${props.session.role}`}
          onClick={() => void logout().finally(props.onLogout)}
        >
          Log out
        </button>
      </div>
      <KillSwitch isOperator={props.session.role === "operator"} />
    </header>
  );
}
