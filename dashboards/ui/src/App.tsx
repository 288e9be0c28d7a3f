/** The page: a session first, then one of its two screens. */

import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";

import { Problem, resume, whenSession } from "./api/client";
import { hasFailed, isExpected } from "./api/known";
import { stream, useKnown, whenLost } from "./api/stream";
import type { Session } from "./api/types";
import { Guarded } from "./components/Guarded";
import { Ago, useNow } from "./components/Heard";
import { KillLine, KillReport } from "./components/KillReport";
import { KillSwitch } from "./components/KillSwitch";
import { StatusBar } from "./components/StatusBar";
import { Bot } from "./screens/Bot";
import { Login } from "./screens/Login";
import { Scanner } from "./screens/Scanner";

function useScreen(): string {
  const read = (): string => (window.location.hash === "#/scanner" ? "scanner" : "bot");
  const [screen, setScreen] = useState(read);
  useEffect(() => {
    const listen = (): void => setScreen(read());
    window.addEventListener("hashchange", listen);
    return () => window.removeEventListener("hashchange", listen);
  }, []);
  return screen;
}

/** No API; its text changes only with that, so that a reader is told once. */
function Disconnected() {
  const isConnected = useKnown((known) => known.isConnected);
  const heardAt = useKnown((known) => known.heardAt);
  if (isConnected) return null;
  return (
    <div className="banner">
      <span role="alert">
        {heardAt ? "Disconnected: what is shown is old. Trying again." : "Connecting"}
      </span>{" "}
      {heardAt > 0 && (
        <>
          Last heard <Ago at={heardAt} />.
        </>
      )}
    </div>
  );
}

const BRIEFLY_MS = 1_000;

/** An engine that should be heard and is not: what it holds is anybody's guess. */
function Unheard() {
  const isUnheard = useKnown((known) => known.isConnected && known.unheardAt > 0);
  const expected = useKnown(isExpected);
  const failed = useKnown(hasFailed);
  const problem = useKnown((known) => known.status?.process.problem);
  const isSilent = useKnown((known) => known.isSilent);
  const engineAt = useKnown((known) => known.engineAt);
  const unheardAt = useKnown((known) => known.unheardAt);
  const now = useNow(500);
  const isBrief = now - unheardAt < BRIEFLY_MS; // an engine that ends in order
  if (!isUnheard || !(expected || failed) || isBrief) return null;
  const what = isSilent ? "is silent" : failed ? "has ended" : "is not up";
  return (
    <div className="banner alarm">
      <span role="alert" data-name="unheard">
        The engine {what}: what it holds is unknown.
        {problem && ` Reason: ${problem}.`}
      </span>{" "}
      {engineAt > 0 && (
        <>
          Last heard <Ago at={engineAt} />.
        </>
      )}
    </div>
  );
}

/** A hole in the safety net: a latch that cannot be written, or no watchdog. */
function Alarm() {
  const alarm = useKnown((known) => known.status?.engine?.alarm);
  if (!alarm) return null;
  return (
    <p className="banner alarm" role="alert">
      Alarm: {alarm}
    </p>
  );
}

function Screens(props: { session: Session; onLogout: () => void }) {
  const { session, onLogout } = props;
  const isOperator = session.role === "operator";
  const screen = useScreen();
  const queries = useQueryClient();
  const isConnected = useKnown((known) => known.isConnected);
  useEffect(() => {
    if (isConnected) void queries.invalidateQueries(); // what was missed meanwhile
  }, [isConnected, queries]);
  useEffect(() => {
    whenLost(() => {
      resume().catch(() => undefined); // an end of the session is told by itself
    });
    stream.open();
    return () => stream.close();
  }, []);
  return (
    <>
      <header className="bar">
        <Guarded name="Status">
          <StatusBar session={session} screen={screen} onLogout={onLogout} />
        </Guarded>
        <KillSwitch isOperator={isOperator} />
        <Guarded name="Kill">
          <KillLine />
        </Guarded>
      </header>
      <Guarded name="Alarms">
        <section aria-label="Alarms">
          <Disconnected />
          <Unheard />
          <Alarm />
        </section>
      </Guarded>
      <Guarded name="Kill report">
        <KillReport isOperator={isOperator} />
      </Guarded>
      <Guarded name={screen === "bot" ? "Bot control" : "Scanner"} key={screen}>
        {screen === "bot" ? <Bot session={session} /> : <Scanner session={session} />}
      </Guarded>
      <footer>
        Charts: TradingView Lightweight Charts™, © TradingView, Inc.,
        https://www.tradingview.com
      </footer>
    </>
  );
}

export function App() {
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const [hasEnded, setHasEnded] = useState(false);
  const onLogout = useCallback(() => setSession(null), []);
  const begin = useCallback((begun: Session) => {
    setHasEnded(false);
    setSession(begun);
  }, []);
  useEffect(() => {
    whenSession((other) => {
      setHasEnded(other === null);
      setSession(other);
    });
  }, []);
  useEffect(() => {
    let isHere = true;
    let timer = 0;
    const ask = (): void => {
      resume().then(
        (found) => isHere && setSession(found),
        (error: Problem) => {
          if (!isHere) return;
          if (error.status === 401) setSession(null);
          else timer = window.setTimeout(ask, 1_000);
        },
      );
    };
    ask();
    return () => {
      isHere = false;
      window.clearTimeout(timer);
    };
  }, []);
  if (session === undefined) {
    return (
      <main className="login">
        <p role="status">Asking the API</p>
      </main>
    );
  }
  if (session === null) return <Login hasEnded={hasEnded} onLogin={begin} />;
  return <Screens session={session} onLogout={onLogout} />;
}
