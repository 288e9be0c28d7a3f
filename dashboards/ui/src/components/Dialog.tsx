/** A dialog that the browser itself keeps in front, with its focus. */

import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";

export function Dialog(props: {
  title: string;
  onClose: () => void;
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={props.onClose} aria-label={props.title}>
      <h2>{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/** Asks why before something is done; the reason goes into the journal. */
export function ReasonDialog(props: {
  title: string;
  text: string;
  action: string;
  isReasonNeeded?: boolean;
  option?: string;
  onClose: () => void;
  onConfirm: (reason: string, isOptionChosen: boolean) => Promise<unknown>;
}) {
  const [reason, setReason] = useState("");
  const [isChosen, setIsChosen] = useState(false);
  const [problem, setProblem] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setIsBusy(true);
    setProblem("");
    props.onConfirm(reason.trim(), isChosen).then(props.onClose, (error: Error) => {
      setProblem(error.message);
      setIsBusy(false);
    });
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <form onSubmit={submit}>
        <p>{props.text}</p>
        <label>
          Reason{props.isReasonNeeded ? "" : " (optional)"}
          <input
            value={reason}
            onChange={(event) => setReason(event.target.value)}
            maxLength={2000}
            required={props.isReasonNeeded}
            autoFocus
          />
        </label>
        {props.option && (
          <label className="choice">
            <input
              type="checkbox"
              checked={isChosen}
              onChange={(event) => setIsChosen(event.target.checked)}
            />
            {props.option}
          </label>
        )}
        {problem && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <div className="actions">
          <button type="button" onClick={props.onClose}>
            Cancel
          </button>
          <button type="submit" className="primary" disabled={isBusy}>
            {props.action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
