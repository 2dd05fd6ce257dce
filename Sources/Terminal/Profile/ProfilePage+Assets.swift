extension ProfilePage {
    /// Without fonts, images or anything else that is fetched.
    ///
    /// No fact is told by a color alone.
    static let style: StaticString = """

        :root { color-scheme: light dark; --page: #ffffff; --text: #1b1f24; --quiet: #57606a; --line: #d8dee4; --shade: #f5f7f9;
          --run: #6f9bd8; --critical: #b6480a; --failed: #b42318; --still: #6e7781; --link: #0b57d0; --focus: #0b57d0; }
        @media (prefers-color-scheme: dark) { :root { --page: #14171a; --text: #e6edf3; --quiet: #a3adb8; --line: #2d333b;
          --shade: #1c2126; --run: #4f7fc0; --critical: #f5a524; --failed: #ff8a80; --still: #8b949e; --link: #8ab4f8; --focus: #8ab4f8; } }
        * { box-sizing: border-box; }
        body { margin: 0 auto; padding: 1rem clamp(.75rem, 3vw, 2rem) 3rem; max-width: 90rem; background: var(--page);
          color: var(--text); font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
        h1 { font-size: 1.35rem; margin: 0; } h2 { font-size: 1.1rem; margin: 1.75rem 0 .25rem; } p { margin: .25rem 0; }
        a { color: var(--link); } ol, ul { margin: 0; padding: 0; list-style: none; } dl, dd { margin: 0; }
        bdi, code, pre { font-family: ui-monospace, monospace; font-size: .92em; } h1 bdi { font-size: 1em; }
        pre { white-space: pre-wrap; margin: .5rem 0; padding: .5rem .75rem; background: var(--shade); }
        pre.error { border-inline-start: .25rem solid var(--failed); }
        .ending { font-weight: 600; } .ending::first-letter { text-transform: uppercase; } .ending.failed { color: var(--failed); }
        .sums { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin-top: .75rem; }
        dt { color: var(--quiet); font-size: .85rem; }
        .path li { padding: .15rem 0; } .path bdi { display: -webkit-inline-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
          overflow: hidden; vertical-align: top; }
        .time { color: var(--quiet); white-space: nowrap; }
        .mark { color: var(--critical); } .keys { display: none; color: var(--quiet); font-size: .9rem; } .live .keys { display: block; }
        .choice { display: flex; gap: .5rem; align-items: center; min-height: 2rem; } .choice input { width: 1.1rem; height: 1.1rem; }
        .spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
        .axis, summary { display: grid; grid-template-columns: minmax(18rem, 5fr) 7fr; column-gap: 1rem; padding: .35rem .5rem; }
        .axis { padding-block: 0; color: var(--quiet); font-size: .8rem; }
        .ticks { grid-column: 2; fill: currentColor; } .legend { color: var(--quiet); font-size: .9rem; }
        .step { border-top: 1px solid var(--line); } .steps { border-bottom: 1px solid var(--line); }
        summary { cursor: pointer; list-style: none; align-items: center; }
        summary::-webkit-details-marker { display: none; }
        summary:hover, details[open] { background: var(--shade); }
        a:focus-visible, input:focus-visible, summary:focus-visible { outline: 3px solid var(--focus); outline-offset: -2px; }
        .name { grid-column: 1; } details:not([open]) .name { display: -webkit-box; -webkit-box-orient: vertical;
          -webkit-line-clamp: 2; overflow: hidden; }
        .facts { grid-column: 1; color: var(--quiet); font-size: .85rem; }
        .failed .facts { color: var(--failed); font-weight: 600; }
        .bar { grid-column: 2; grid-row: 1 / span 2; overflow: visible;
          background: repeating-linear-gradient(to right, var(--line) 0 1px, transparent 1px 25%); }
        .bar rect { fill: var(--run); stroke: var(--run); stroke-width: 1.5px; } .bar circle { fill: var(--still); }
        .bar .pale { fill-opacity: .3; stroke-opacity: .5; }
        .critical .bar rect { fill: var(--critical); stroke: var(--critical); }
        .failed .bar rect { fill: var(--page); stroke: var(--failed); stroke-width: 2.5px; stroke-dasharray: 5 2; }
        .canceled .bar rect { fill: none; stroke: var(--still); stroke-dasharray: 3 3; }
        details > dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; padding: .25rem .75rem .75rem; }
        .reason { margin: 0; white-space: pre-wrap; }
        section:has(#only:checked) .step:not(.critical) { display: none; }
        @media (max-width: 48rem) {
          .axis, summary { grid-template-columns: minmax(0, 1fr); row-gap: .2rem; } .ticks, .bar { grid-column: 1; grid-row: auto; }
          .sums { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .5rem 1rem; }
          details > dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd + dt { margin-top: .5rem; } }
        @media (pointer: coarse) { .live .keys { display: none; } }
        @media print { .choice, .keys { display: none !important; } }

        """

    /// Arrow keys, and links to steps that open what they lead to.
    static let script: StaticString = """

        "use strict";
        document.documentElement.classList.add("live");
        const all = Array.from(document.querySelectorAll(".step summary"));
        let shown = null;
        function show(summary) {
          if (shown && shown !== summary.parentElement) shown.open = false;
          shown = summary.parentElement.open ? null : summary.parentElement;
          summary.parentElement.open = true;
          summary.focus();
        }
        document.querySelector(".steps").addEventListener("keydown", event => {
          if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
          const reachable = all.filter(summary => summary.offsetParent !== null);
          const from = reachable.indexOf(document.activeElement);
          if (from < 0) return;
          const to = { ArrowDown: from + 1, ArrowUp: from - 1, Home: 0, End: reachable.length - 1 }[event.key];
          if (to === undefined) return;
          event.preventDefault();
          if (reachable[to] && to !== from) show(reachable[to]);
        });
        function follow() {
          const summary = document.getElementById(location.hash.slice(1))?.querySelector("summary");
          if (!summary) return;
          if (summary.offsetParent === null) document.getElementById("only").checked = false;
          show(summary);
        }
        addEventListener("hashchange", follow);
        follow();

        """
}
