/** Tabs: one row of names, one content; arrow keys go from name to name. */

import { type ReactNode, useId, useState } from "react";

import { Guarded } from "./Guarded";

export type Tab = [string, () => ReactNode];

export function Tabs(props: { label: string; tabs: Tab[] }) {
  const { label, tabs } = props;
  const [chosen, setChosen] = useState(0);
  const id = useId();
  const Content = tabs[chosen]?.[1] ?? (() => null);
  return (
    <>
      <div
        role="tablist"
        aria-label={label}
        onKeyDown={(event) => {
          const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
          if (!step) return;
          const next = (chosen + step + tabs.length) % tabs.length;
          setChosen(next);
          document.getElementById(`${id}-${next}`)?.focus();
        }}
      >
        {tabs.map(([name], place) => (
          <button
            key={name}
            id={`${id}-${place}`}
            type="button"
            role="tab"
            aria-selected={place === chosen}
            aria-controls={`${id}-content`}
            tabIndex={place === chosen ? 0 : -1}
            onClick={() => setChosen(place)}
          >
            {name}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-content`} aria-labelledby={`${id}-${chosen}`}>
        <Guarded key={chosen} name={`${label}: ${tabs[chosen]?.[0]}`}>
          <Content />
        </Guarded>
      </div>
    </>
  );
}
