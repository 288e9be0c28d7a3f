/** Start, stop, pause, resume, flatten. */

import { useState } from "react";

import { post } from "../api/client";
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
  const isRunning = useKnown((known) => !!known.status?.engine);
  const isPaused = useKnown((known) => !!known.status?.engine?.is_paused);
  const isConnected = useKnown((known) => known.isConnected);
  const [asked, setAsked] = useState<Verb | null>(null);
  const [problem, setProblem] = useState("");
  const isShut = !props.isOperator || !isConnected;

  const now = (path: string): void => {
    setProblem("");
    post(path).catch((error: Error) => setProblem(error.message));
  };
  return (
    <div className="controls" role="group" aria-label="Engine">
      {isRunning ? (
        <>
          <button
            type="button"
            disabled={isShut}
            onClick={() => now(isPaused ? "/engine/resume" : "/engine/pause")}
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
          <button type="button" disabled={isShut} onClick={() => setAsked(ASKED.stop)}>
            Stop
          </button>
        </>
      ) : (
        <button
          type="button"
          className="primary"
          disabled={isShut}
          onClick={() => now("/engine/start")}
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
