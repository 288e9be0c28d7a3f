/** The red button: held down, it closes everything. */

import { type CSSProperties, useEffect, useRef, useState } from "react";

import { Problem, post } from "../api/client";
import { useKnown } from "../api/stream";
import { Dialog } from "./Dialog";

/** How long it is held; the style and the guide have it from here. */
export const HOLD_MS = 800;

const HOLD = { "--hold": `${HOLD_MS}ms` } as CSSProperties;

function unconfirmed(error: Error): string {
  const isRefused =
    error instanceof Problem && error.status >= 400 && error.status < 500;
  if (isRefused) return `Not killed: ${error.message}`;
  return `Not confirmed: ${error.message}. In a terminal, "mft kill" needs no API.`;
}

/** One gesture: down for long enough. */
function useHold(isAllowed: boolean, onHeld: () => void) {
  const [isHeld, setIsHeld] = useState(false);
  const timer = useRef(0);
  const release = (): void => {
    window.clearTimeout(timer.current);
    setIsHeld(false);
  };
  const hold = (): void => {
    if (!isAllowed || isHeld) return;
    setIsHeld(true);
    timer.current = window.setTimeout(() => {
      setIsHeld(false);
      onHeld();
    }, HOLD_MS);
  };
  useEffect(() => () => window.clearTimeout(timer.current), []);
  return { isHeld, hold, release };
}

/** Of a kill that was asked for here: whether the API has answered, and how. */
function useKill() {
  const [isAsked, setIsAsked] = useState(false);
  const [problem, setProblem] = useState("");
  const kill = (): void => {
    setProblem("");
    setIsAsked(true);
    post("/engine/kill", { reason: "kill switch of the page" })
      .catch((error: Error) => setProblem(unconfirmed(error)))
      .finally(() => setIsAsked(false));
  };
  return { kill, isAsked, problem, forget: () => setProblem("") };
}

/** For who cannot hold a button: a screen reader or a voice clicks, no more. */
function Confirm(props: { onKill: () => void; onClose: () => void }) {
  return (
    <Dialog title="Close everything and stop trading?" onClose={props.onClose}>
      <p>Every position is closed, and nothing is traded until a reset.</p>
      <div className="actions">
        <button
          type="button"
          className="danger"
          onClick={() => {
            props.onKill();
            props.onClose();
          }}
        >
          Close everything now
        </button>
        <button type="button" onClick={props.onClose}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}

const isKey = (key: string): boolean => key === " " || key === "Enter";

/** Always on the screen, and never behind a dialog. Hold it by pointer, Space or Enter. */
export function KillSwitch(props: { isOperator: boolean }) {
  const isKilled = useKnown((known) => !!known.engine?.killed);
  const [isConfirming, setIsConfirming] = useState(false);
  const { kill, isAsked, problem, forget } = useKill();
  const { isHeld, hold, release } = useHold(props.isOperator, kill);
  const help = isAsked ? "asked, waiting for the API" : "hold to close everything";

  return (
    <>
      <div className="kill">
        <button
          type="button"
          className={isHeld ? "held" : ""}
          style={HOLD}
          disabled={!props.isOperator}
          onPointerDown={(event) => {
            if (event.button === 0 && event.isPrimary) hold();
          }}
          onPointerUp={release}
          onPointerLeave={release}
          onPointerCancel={release}
          onContextMenu={(event) => event.preventDefault()}
          onKeyDown={(event) => {
            if (!isKey(event.key)) return;
            event.preventDefault();
            if (!event.repeat) hold();
          }}
          onKeyUp={(event) => {
            if (isKey(event.key)) event.preventDefault(); // no click of its own
            release();
          }}
          onBlur={release}
          onClick={(event) => {
            if (event.detail === 0) setIsConfirming(true); // of no pointer and no key
          }}
          aria-describedby="kill-help"
        >
          {isKilled ? "KILLED" : "KILL"}
        </button>
        <span id="kill-help" className="help">
          {props.isOperator ? help : "needs the operator's token"}
        </span>
      </div>
      {problem && (
        <div className="kill-problem">
          <p className="problem" role="alert">
            {problem}
          </p>
          <button type="button" onClick={forget}>
            Dismiss
          </button>
        </div>
      )}
      {isConfirming && <Confirm onKill={kill} onClose={() => setIsConfirming(false)} />}
    </>
  );
}
