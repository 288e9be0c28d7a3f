/** The page: a session first, then one of its two screens. */

import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";

import { Problem, resume } from "./api/client";
import { stream, useEngine, useKnown, whenLost } from "./api/stream";
import type { Session } from "./api/types";
import { StatusBar, useNow } from "./components/StatusBar";
import { age } from "./lib/format";
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

function Unheard() {
  const now = useNow(500);
  const isConnected = useKnown((known) => known.isConnected);
  const heardAt = useKnown((known) => known.heardAt);
  if (isConnected) return null;
  return (
    <p className="banner" role="alert">
      {heardAt
        ? `Disconnected: what is shown is ${age(now - heardAt)} old. Trying again.`
        : "Connecting"}
    </p>
  );
}

/** A hole in the safety net: a latch that cannot be written, or no watchdog. */
function Alarm() {
  const alarm = useEngine((engine) => engine.alarm);
  if (!alarm) return null;
  return (
    <p className="banner alarm" role="alert">
      Alarm: {alarm}
    </p>
  );
}

function Screens(props: { session: Session; onLogout: () => void }) {
  const { session, onLogout } = props;
  const screen = useScreen();
  const queries = useQueryClient();
  const isConnected = useKnown((known) => known.isConnected);
  useEffect(() => {
    if (isConnected) void queries.invalidateQueries(); // what was missed meanwhile
  }, [isConnected, queries]);
  useEffect(() => {
    whenLost(() => {
      resume().catch((error: Problem) => {
        if (error.status === 401) onLogout();
      });
    });
    stream.open();
    return () => stream.close();
  }, [onLogout]);
  return (
    <>
      <StatusBar session={session} screen={screen} onLogout={onLogout} />
      <Unheard />
      <Alarm />
      {screen === "bot" ? <Bot session={session} /> : <Scanner session={session} />}
      <footer>
        Charts: TradingView Lightweight Charts™, © TradingView, Inc.,
        https://www.tradingview.com
      </footer>
    </>
  );
}

export function App() {
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const onLogout = useCallback(() => setSession(null), []);
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
  if (session === null) return <Login onLogin={setSession} />;
  return <Screens session={session} onLogout={onLogout} />;
}
