/** What is running, and how true its data is. */

import { useEffect, useState } from "react";

import { logout } from "../api/client";
import { type Activity, activityOf, groundsOf, isHeard, oldestOf } from "../api/known";
import { useEngine, useKnown } from "../api/stream";
import type { Session } from "../api/types";
import { age, clockSeconds, duration } from "../lib/format";
import { useNow } from "./Heard";
import { Badge } from "./Parts";

/** One word for what the engine does. */
export const useActivity = (): Activity => activityOf(useKnown((known) => known));

const OLD_MS = 3_000;

/** The age of the oldest symbol's data, which is named once it is old. */
function DataAge() {
  const now = useNow(250);
  const heard = useKnown(isHeard);
  const engine = useKnown((known) => known.engine);
  const engineAt = useKnown((known) => known.engineAt);
  if (!engine) return <dd data-name="data-age">–</dd>;
  const { symbol, ageMs } = oldestOf(engine);
  const told = ageMs === null || heard ? ageMs : ageMs + Math.max(now - engineAt, 0);
  const isOld = !heard || told === null || told > OLD_MS;
  return (
    <dd className={isOld ? "loss" : ""} data-name="data-age">
      {told === null ? "none yet" : age(told)} {isOld && symbol}
    </dd>
  );
}

/** What of the venue refuses every entry; nothing where it refuses none. */
function Grounds() {
  const grounds = useEngine((engine) => groundsOf(engine).join("; "));
  if (!grounds) return null;
  return (
    <div>
      <dt>No entries</dt>
      <dd className="loss" data-name="grounds">
        {grounds}
      </dd>
    </div>
  );
}

/** What a tab among others is worth looking at for. */
function useTitle(): void {
  const { word } = useActivity();
  const held = useEngine((engine) => engine.positions.length) ?? 0;
  useEffect(() => {
    document.title = `${word}${held ? `, ${held} held` : ""} - mft`;
    return () => {
      document.title = "mft";
    };
  }, [word, held]);
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
  const [problem, setProblem] = useState("");
  const heard = useKnown(isHeard);
  useTitle();
  const states = Object.values(books ?? {}).map((book) => book.state);
  const synced = states.filter((state) => state === "SYNCED").length;
  return (
    <>
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
      <dl className={heard ? "facts" : "facts unheard"}>
        <div>
          <dt>Books</dt>
          <dd className={synced < states.length ? "loss" : ""} data-name="synced">
            {heard && states.length ? `${synced}/${states.length}` : "–"}
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
        <Grounds />
      </dl>
      <div className="tools">
        <ThemeButton />
        <button
          type="button"
          title={`Logged in as ${props.session.role}`}
          onClick={() =>
            void logout().then(props.onLogout, (error: Error) =>
              setProblem(`Not logged out: ${error.message}`),
            )
          }
        >
          Log out
        </button>
        {problem && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
      </div>
    </>
  );
}
