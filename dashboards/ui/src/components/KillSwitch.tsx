/** The red button: held down for a second, it closes everything. */

import { useEffect, useRef, useState } from "react";

import { Problem, post } from "../api/client";
import { useKnown } from "../api/stream";
import { moment, words } from "../lib/format";
import { ReasonDialog } from "./Dialog";

export const HOLD_MS = 800;

function unconfirmed(error: Error): string {
  const isUnheard = error instanceof Problem && error.status === 0;
  if (!isUnheard) return `Not killed: ${error.message}`;
  return `Not confirmed: ${error.message}. In a terminal, "mft kill" needs no API.`;
}

/** Always on the screen. One gesture: hold it by pointer, Space or Enter. */
export function KillSwitch(props: { isOperator: boolean }) {
  const killed = useKnown((known) => known.status?.engine?.killed);
  const [isHeld, setIsHeld] = useState(false);
  const [isAsked, setIsAsked] = useState(false);
  const [problem, setProblem] = useState("");
  const timer = useRef(0);

  const release = (): void => {
    window.clearTimeout(timer.current);
    setIsHeld(false);
  };
  const hold = (): void => {
    if (!props.isOperator || isHeld) return;
    setProblem("");
    setIsHeld(true);
    timer.current = window.setTimeout(() => {
      setIsHeld(false);
      setIsAsked(true);
      post("/engine/kill", { reason: "kill switch of the page" })
        .catch((error: Error) => setProblem(unconfirmed(error)))
        .finally(() => setIsAsked(false));
    }, HOLD_MS);
  };
  useEffect(() => release, []);
  const help = isAsked ? "asked, waiting for the API" : "hold to close everything";

  return (
    <div className="kill">
      <button
        type="button"
        className={isHeld ? "held" : ""}
        disabled={!props.isOperator}
        onPointerDown={hold}
        onPointerUp={release}
        onPointerLeave={release}
        onPointerCancel={release}
        onContextMenu={(event) => event.preventDefault()}
        onKeyDown={(event) => {
          if (event.key === " " || event.key === "Enter") {
            event.preventDefault();
            if (!event.repeat) hold();
          }
        }}
        onKeyUp={release}
        onBlur={release}
        aria-describedby="kill-help"
      >
        {killed ? "KILLED" : "KILL"}
      </button>
      <span id="kill-help" className="help">
        {props.isOperator ? help : "needs the operator's token"}
      </span>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

/** What became of a kill, step by step, until nothing is held. */
export function KillReport(props: { isOperator: boolean }) {
  const kill = useKnown((known) => known.status?.kill);
  const engine = useKnown((known) => known.status?.engine);
  const [isResetting, setIsResetting] = useState(false);
  const killed = engine?.killed;
  const isOver = !killed && (!kill || (kill.is_done && !!engine));
  if (isOver) return null;

  const held = engine?.positions ?? [];
  const flatAfterMs =
    killed?.flat_after_ns != null
      ? Math.round(killed.flat_after_ns / 1_000_000)
      : kill?.after_ms;
  const isFlat = flatAfterMs != null && held.length === 0;
  return (
    <section className="kill-report" aria-label="Kill" role="status">
      <h2>
        {isFlat
          ? `Flat ${(flatAfterMs / 1_000).toFixed(2)} s after the kill`
          : kill?.is_done
            ? "Not confirmed flat"
            : "Closing everything"}
      </h2>
      <ol>
        {killed && (
          <li>
            Killed at {moment(killed.since_ns)} UTC: {words(killed.reason)}
            {killed.detail && `, ${killed.detail}`}
          </li>
        )}
        {(kill?.steps ?? []).map((step, place) => (
          <li key={place}>{step}</li>
        ))}
        {held.map((position) => (
          <li key={position.symbol}>
            still open: {position.direction} {position.quantity} {position.symbol}
          </li>
        ))}
        {isFlat && <li>confirmed: nothing is held</li>}
      </ol>
      {kill?.problem && (
        <p className="problem" role="alert">
          {kill.problem}
        </p>
      )}
      {killed && (
        <button
          type="button"
          disabled={!props.isOperator}
          onClick={() => setIsResetting(true)}
        >
          Reset the kill switch
        </button>
      )}
      {isResetting && (
        <ReasonDialog
          title="Reset the kill switch"
          text="Trading goes on once it is reset. Say what you have found and mended."
          action="Reset"
          isReasonNeeded
          option="Measure drawdown from the present equity on"
          onClose={() => setIsResetting(false)}
          onConfirm={(reason, rebase_peak) =>
            post("/engine/reset", { reason, rebase_peak })
          }
        />
      )}
    </section>
  );
}
