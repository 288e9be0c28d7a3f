/** A dialog that takes the place of the screen, and never that of the red button. */

import { type FormEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";

/** What a dialog stands before; the bar with the red button is not among it. */
const BEHIND = "main, footer, .kill-report";

/** Opens without the browser's modality, which would make the red button inert. */
function useOpen(onClose: () => void) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [opener] = useState(() => document.activeElement);
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    const behind = document.querySelectorAll<HTMLElement>(BEHIND);
    const listen = (event: KeyboardEvent): void => {
      if (event.key === "Escape") close.current();
    };
    behind.forEach((one) => (one.inert = true));
    window.addEventListener("keydown", listen);
    dialog.current?.show();
    dialog.current?.querySelector<HTMLElement>("input, button")?.focus();
    return () => {
      window.removeEventListener("keydown", listen);
      behind.forEach((one) => (one.inert = false));
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, [opener]);
  return dialog;
}

export function Dialog(props: {
  title: string;
  onClose: () => void;
  children: ReactNode;
}) {
  const dialog = useOpen(props.onClose);
  return createPortal(
    <>
      <div className="backdrop" aria-hidden />
      <dialog ref={dialog} aria-label={props.title}>
        <h2>{props.title}</h2>
        {props.children}
      </dialog>
    </>,
    document.body,
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
