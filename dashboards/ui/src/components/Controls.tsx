/** Start, stop, pause, resume, flatten. */

import { type MouseEvent, useRef, useState } from "react";

import { post } from "../api/client";
import { isExpected } from "../api/known";
import { useKnown } from "../api/stream";
import { ReasonDialog } from "./Dialog";

interface Verb {
  name: string;
  path: string;
  title: string;
  text: string;
}

const ASKED: Record<"flatten" | "stop", Verb> = {
  flatten: {
    name: "Flatten",
    path: "/engine/flatten",
    title: "Close everything",
    text: "Every position is closed at the market, then the engine stays paused.",
  },
  stop: {
    name: "Stop",
    path: "/engine/stop",
    title: "Stop the engine",
    text: "No entries, positions are closed as far as the market allows, and it ends.",
  },
};

export function Controls(props: { isOperator: boolean }) {
  const isThere = useKnown((known) => !!known.status?.engine);
  const isToStop = useKnown(isExpected);
  const isPaused = useKnown((known) => !!known.status?.engine?.is_paused);
  const isConnected = useKnown((known) => known.isConnected);
  const [asked, setAsked] = useState<Verb | null>(null);
  const [problem, setProblem] = useState("");
  const isShut = !props.isOperator || !isConnected;
  const isSending = useRef(false);

  /** A button that becomes its opposite takes the first click of two. */
  const now = (event: MouseEvent, path: string): void => {
    if (event.detail > 1 || isSending.current) return;
    isSending.current = true;
    setProblem("");
    post(path)
      .catch((error: Error) => setProblem(error.message))
      .finally(() => (isSending.current = false));
  };
  return (
    <div className="controls" role="group" aria-label="Engine">
      {isThere && (
        <>
          <button
            type="button"
            disabled={isShut}
            onClick={(event) =>
              now(event, isPaused ? "/engine/resume" : "/engine/pause")
            }
            onKeyDown={(event) => {
              if (event.repeat) event.preventDefault(); // a key held is one click
            }}
          >
            {isPaused ? "Resume" : "Pause"}
          </button>
          <button
            type="button"
            disabled={isShut}
            onClick={() => setAsked(ASKED.flatten)}
          >
            Flatten
          </button>
        </>
      )}
      {isThere || isToStop ? (
        <button type="button" disabled={isShut} onClick={() => setAsked(ASKED.stop)}>
          Stop
        </button>
      ) : (
        <button
          type="button"
          className="primary"
          disabled={isShut}
          onClick={(event) => now(event, "/engine/start")}
        >
          Start
        </button>
      )}
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {asked && (
        <ReasonDialog
          title={asked.title}
          text={asked.text}
          action={asked.name}
          onClose={() => setAsked(null)}
          onConfirm={(reason) => post(asked.path, { reason })}
        />
      )}
    </div>
  );
}
