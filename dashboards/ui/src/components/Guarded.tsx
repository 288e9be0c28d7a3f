/** A part of the page that may fail without taking the others along. */

import { useQueryClient } from "@tanstack/react-query";
import { Component, type ReactNode } from "react";

interface Props {
  name: string;
  className?: string;
  children: ReactNode;
}

/** Asks anew, too: what was answered may be what the part fails on. */
function Again(props: { name: string; onAgain: () => void }) {
  const queries = useQueryClient();
  const again = (): void => {
    queries.removeQueries({ type: "inactive" });
    props.onAgain();
  };
  return (
    <button type="button" onClick={again}>
      Show {props.name} again
    </button>
  );
}

export class Guarded extends Component<Props, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: Error } {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <section
        className={`panel failed ${this.props.className ?? ""}`}
        aria-label={`${this.props.name}, failed`}
      >
        <p className="problem" role="alert">
          {this.props.name} cannot be shown: {error.message}
        </p>
        <Again name={this.props.name} onAgain={() => this.setState({ error: null })} />
      </section>
    );
  }
}
