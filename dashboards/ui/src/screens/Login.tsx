/** The token for a session. */

import { type FormEvent, useState } from "react";

import { login } from "../api/client";
import type { Session } from "../api/types";

export function Login(props: {
  hasEnded: boolean;
  onLogin: (session: Session) => void;
}) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    login(token.trim()).then(props.onLogin, (error: Error) => {
      setProblem(error.message);
      setToken("");
    });
  };
  return (
    <main className="login">
      <form onSubmit={submit}>
        <h1>mft</h1>
        {props.hasEnded && (
          <p className="ended" role="status">
            Your session has ended: log in again. The engine goes on without the page;
            &quot;mft kill&quot; in a terminal needs no session.
          </p>
        )}
        <p>
          The first start showed two tokens: the viewer&apos;s may look, the
          operator&apos;s may control.
        </p>
        <label>
          Token
          <input
            type="password"
            value={token}
            onChange={(event) => setToken(event.target.value)}
            autoComplete="current-password"
            autoFocus
            required
          />
        </label>
        {problem && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" className="primary">
          Log in
        </button>
      </form>
    </main>
  );
}
