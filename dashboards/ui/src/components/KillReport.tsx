/** What became of a kill, step by step, until nothing is held. */

import { useState } from "react";

import { post } from "../api/client";
import { isHeard } from "../api/known";
import { useKnown } from "../api/stream";
import { type KillStory, killStory } from "../lib/kill";
import { ReasonDialog } from "./Dialog";

function useStory(): KillStory | null {
  const known = useKnown((now) => now);
  return killStory(known.status?.kill ?? null, known.engine, isHeard(known));
}

/** In a line, beside the button; the report below tells it whole. */
export function KillLine() {
  const story = useStory();
  if (!story) return null;
  return (
    <p className="kill-line">
      <strong>{story.heading}:</strong> {story.problem || story.lines.at(-1)}
    </p>
  );
}

function ResetButton(props: { isOperator: boolean }) {
  const [isResetting, setIsResetting] = useState(false);
  return (
    <>
      <button
        type="button"
        disabled={!props.isOperator}
        onClick={() => setIsResetting(true)}
      >
        Reset the kill switch
      </button>
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
    </>
  );
}

export function KillReport(props: { isOperator: boolean }) {
  const story = useStory();
  const killedNs = useKnown((known) => known.engine?.killed?.since_ns);
  if (!story) return null;
  return (
    <section className="kill-report" aria-label="Kill" role="status">
      <h2>{story.heading}</h2>
      <ol>
        {story.lines.map((line, place) => (
          <li key={place}>{line}</li>
        ))}
      </ol>
      {story.problem && (
        <p className="problem" role="alert">
          {story.problem}
        </p>
      )}
      {killedNs !== undefined && (
        <ResetButton key={killedNs} isOperator={props.isOperator} />
      )}
    </section>
  );
}
