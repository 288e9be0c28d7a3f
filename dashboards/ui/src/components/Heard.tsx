/** How old what is shown of the engine is. */

import { useEffect, useState } from "react";

import { isHeard } from "../api/known";
import { useKnown } from "../api/stream";
import { age } from "../lib/format";
import { Nothing } from "./Parts";

/** Now, to a fraction of a second; for ages of what is not heard any more. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), everyMs);
    return () => window.clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** Since a moment, as it grows: never part of what is read out as it changes. */
export function Ago({ at }: { at: number }) {
  const now = useNow(1_000);
  return <span>{age(Math.max(now - at, 0))} ago</span>;
}

/** Nothing while the engine is heard; else when it was. */
export function LastHeard() {
  const heard = useKnown(isHeard);
  const at = useKnown((known) => known.engineAt);
  if (heard || !at) return null;
  return (
    <span className="last-heard">
      last heard <Ago at={at} />
    </span>
  );
}

/** In the place of what only an engine can tell. */
export const NeverHeard = () => <Nothing>Unknown: no engine has been heard.</Nothing>;
